//! `access.toml` declares services as they are written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rapids_client::Start;
use rapids_client::access::Access;

/// The source of a service, without its tests.
fn source(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// The memories that are named where they are used.
fn named_memories(source: &str) -> BTreeSet<String> {
    let names = source.split(".memory(\"").skip(1);
    names.map(|behind| behind.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn what_is_declared_of_a_service_is_what_its_source_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(folder.join("../access.toml")).unwrap();
    let access: Access = toml::from_str(&text).unwrap();
    assert_eq!(access.faults(), [""; 0]);
    let mut services = BTreeSet::new();
    for file in fs::read_dir(folder.join("src/bin")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // A new one needs no declaration until it is to run in the secured form.
        let Some(declared) = access.services.get(&name) else { continue };
        let source = source(&path);
        let has = |part: &str| source.contains(part);
        let begins = declared.start == Start::Beginning;
        assert_eq!(begins, has(".from_beginning()"), "start of {name}");
        assert_eq!(declared.once, has(".once()"), "once of {name}");
        assert_eq!(declared.timers, has(".later(") || has(".gather("), "timers of {name}");
        let remembers = has(".memory(") || has(".gather(");
        assert_eq!(!declared.memories.is_empty(), remembers, "memories of {name}");
        let unknown: Vec<_> = named_memories(&source).into_iter().collect();
        assert!(unknown.iter().all(|it| declared.memories.contains(it)), "{name}: {unknown:?}");
        services.insert(name);
    }
    assert_eq!(
        access.services.keys().cloned().collect::<BTreeSet<_>>(),
        services,
        "they have sources"
    );
}
