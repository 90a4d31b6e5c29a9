//! How much is kept of what is read: no stream is so large that reading it takes all memory.

/// Room for things of any size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// How many more.
    pub(super) count: usize,
    /// How many bytes more, over all of them.
    pub(super) bytes: usize,
}

impl Room {
    /// Takes the room for one thing; `false` if there is too little left.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let rest = (self.count.checked_sub(1), self.bytes.checked_sub(bytes));
        let (Some(count), Some(bytes)) = rest else {
            return false;
        };
        *self = Self { count, bytes };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_count_and_with_the_bytes() {
        let mut room = Room { count: 2, bytes: 100 };
        assert_eq!([60, 50, 40, 0].map(|bytes| room.take(bytes)), [true, false, true, false]);
    }
}
