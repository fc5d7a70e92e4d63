//! What ARCHITECTURE.md says is held here: who may import whom, what is deliberately absent, why each dependency is there.

mod tidy {
    pub mod documents;
    pub mod imports;
}

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};
use tidy::documents::{first_column, missing_files, section};
use tidy::imports::{Source, ranks};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} finding(s):\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn modules_import_only_lower_ranks() {
    let ranks = ranks(&architecture());
    let sources = Source::all(&root().join("src"));
    let mut findings: Vec<String> = sources.iter().flat_map(|source| source.climbing_imports(&ranks)).collect();
    let modules: BTreeSet<&str> =
        sources.iter().map(|source| source.module()).filter(|module| *module != "lib").collect();
    for module in &modules {
        if !ranks.contains_key(*module) {
            findings.push(format!("src/{module} is not in the table of ARCHITECTURE.md"));
        }
    }
    for listed in ranks.keys().filter(|listed| !modules.contains(listed.as_str())) {
        findings.push(format!("ARCHITECTURE.md lists `{listed}`, which is not in src/"));
    }
    none(findings);
}

#[test]
fn the_engine_reaches_no_clock_file_network_or_chance() {
    none(Source::all(&root().join("src")).iter().flat_map(Source::ambient).collect());
}

#[test]
fn javascript_is_known_to_the_boundary_alone() {
    none(Source::all(&root().join("src")).iter().flat_map(Source::javascript_outside_the_boundary).collect());
}

fn metadata(platform: Option<&str>) -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).features(CargoOpt::AllFeatures);
    if let Some(platform) = platform {
        command.other_options(vec!["--filter-platform".to_owned(), platform.to_owned(), "--offline".to_owned()]);
    }
    command.exec().unwrap()
}

#[test]
fn nobody_switches_the_std_feature_of_nalgebra_on() {
    let metadata = metadata(None);
    let mut found = 0;
    for node in &metadata.resolve.as_ref().unwrap().nodes {
        let package = &metadata[&node.id];
        if package.name.as_str() == "nalgebra" {
            found += 1;
            let features: Vec<&str> = node.features.iter().map(|feature| feature.as_str()).collect();
            assert!(
                !features.contains(&"std"),
                "with `std`, native products sum in another order than wasm: {features:?}"
            );
        }
    }
    assert_eq!(found, 1, "one nalgebra, in one version");
}

#[test]
fn the_wasm_module_carries_no_source_of_chance_or_time() {
    let metadata = metadata(Some("wasm32-unknown-unknown"));
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let engine = metadata.packages.iter().find(|package| package.name.as_str() == "zhiji").unwrap();
    let mut waiting: Vec<&PackageId> = vec![&engine.id];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(metadata[id].name.to_string()) {
            continue;
        }
        let node = nodes.iter().find(|node| &node.id == id).unwrap();
        let normal = |dependency: &&cargo_metadata::NodeDep| {
            dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        };
        waiting.extend(node.deps.iter().filter(normal).map(|dependency| &dependency.pkg));
    }
    assert!(
        seen.contains("ed25519-dalek") && seen.contains("js-sys"),
        "the walk saw the engine's dependencies: {seen:?}"
    );
    for name in ["getrandom", "rand", "fastrand", "web-time", "instant", "web-sys", "wasm-bindgen-futures"] {
        assert!(!seen.contains(name), "{name} is compiled into the wasm module");
    }
}

#[test]
fn every_dependency_has_its_line_in_architecture() {
    let text = architecture();
    let listed = first_column(section(&text, "Dependencies"));
    let mut used: BTreeSet<String> = BTreeSet::new();
    for manifest in
        ["Cargo.toml", "cli/Cargo.toml", "xtask/Cargo.toml", "benches/module/Cargo.toml", "benches/native/Cargo.toml"]
    {
        let manifest: toml::Table = toml::from_str(&fs::read_to_string(root().join(manifest)).unwrap()).unwrap();
        collect_dependencies(&manifest, &mut used);
    }
    let npm: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root().join("package.json")).unwrap()).unwrap();
    used.extend(npm["devDependencies"].as_object().unwrap().keys().cloned());
    let npm: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root().join("benches/package.json")).unwrap()).unwrap();
    used.extend(npm["dependencies"].as_object().unwrap().keys().cloned());
    used.remove("zhiji");
    none(
        used.difference(&listed)
            .map(|name| format!("`{name}` has no line under Dependencies in ARCHITECTURE.md"))
            .collect(),
    );
    none(
        listed
            .difference(&used)
            .map(|name| format!("ARCHITECTURE.md lists `{name}`, which nothing depends on"))
            .collect(),
    );
}

/// The names under every `dependencies` and `dev-dependencies` table, at any depth.
fn collect_dependencies(table: &toml::Table, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "dev-dependencies" | "build-dependencies" => into.extend(inner.keys().cloned()),
            "package" | "lints" | "profile" => {}
            _ => collect_dependencies(inner, into),
        }
    }
}

#[test]
fn documents_name_no_missing_files() {
    let root = root();
    let mut pages: Vec<PathBuf> =
        ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            .iter()
            .map(|name| root.join(name))
            .filter(|path| path.exists())
            .collect();
    let docs = walkdir::WalkDir::new(root.join("docs")).sort_by_file_name().into_iter().filter_map(Result::ok);
    pages.extend(docs.map(walkdir::DirEntry::into_path).filter(|path| path.extension().is_some_and(|end| end == "md")));
    assert!(pages.iter().any(|page| page.ends_with("ARCHITECTURE.md")));
    none(pages.iter().flat_map(|page| missing_files(&root, page, &fs::read_to_string(page).unwrap())).collect());
}
