//! One name or several.

/// What is wrong with a list of no names, as the end of a sentence about what takes it.
pub(crate) const NOTHING: &str = "names nothing; give it a name, or several";

/// What takes one name or several: `"a"`, `["a", "b"]`, a vector.
pub trait Names {
    /// The names in order.
    fn into_names(self) -> Vec<String>;
}

impl Names for &str {
    fn into_names(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl Names for String {
    fn into_names(self) -> Vec<String> {
        vec![self]
    }
}

impl<S: Into<String>, const N: usize> Names for [S; N] {
    fn into_names(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<S: Into<String>> Names for Vec<S> {
    fn into_names(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}
