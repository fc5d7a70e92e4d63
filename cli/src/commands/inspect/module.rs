//! A wasm module: what it asks for, what it offers, and where its bytes are.

use super::bytes_of;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use wasmparser::{ExternalKind, KnownCustom, Name, Parser, Payload, TypeRef};

#[derive(Default)]
struct Module {
    /// Names and sizes of the sections, in their order.
    sections: Vec<(String, usize)>,
    imports: Vec<(String, String, String)>,
    exports: Vec<(String, &'static str)>,
    memories: Vec<String>,
    /// Sizes of the bodies, in their order.
    bodies: Vec<usize>,
    imported_functions: usize,
    names: BTreeMap<usize, String>,
}

const fn kind_of(kind: ExternalKind) -> &'static str {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => "function",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        ExternalKind::Tag => "tag",
    }
}

fn pages(initial: u64, maximum: Option<u64>) -> String {
    let kib = |pages: u64| pages * 64;
    maximum.map_or_else(
        || format!("{initial} pages ({} KiB), may grow without limit", kib(initial)),
        |most| format!("{initial} pages ({} KiB), may grow to {most} ({} KiB)", kib(initial), kib(most)),
    )
}

fn read(bytes: &[u8]) -> Result<Module> {
    let mut module = Module::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.context("the module is damaged: build it again")?;
        if let Some((id, range)) = payload.as_section() {
            module.sections.push((section_name(id, &payload), range.len()));
        }
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let what = match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                            module.imported_functions += 1;
                            "function".to_string()
                        }
                        TypeRef::Memory(memory) => format!("memory, {}", pages(memory.initial, memory.maximum)),
                        TypeRef::Table(_) => "table".into(),
                        TypeRef::Global(_) => "global".into(),
                        TypeRef::Tag(_) => "tag".into(),
                    };
                    module.imports.push((import.module.into(), import.name.into(), what));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    module.exports.push((export.name.into(), kind_of(export.kind)));
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    module.memories.push(pages(memory.initial, memory.maximum));
                }
            }
            Payload::CodeSectionEntry(body) => module.bodies.push(body.range().len()),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    for name in names.into_iter().flatten() {
                        if let Name::Function(map) = name {
                            for naming in map.into_iter().flatten() {
                                module.names.insert(naming.index as usize, naming.name.to_string());
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(module)
}

fn section_name(id: u8, payload: &Payload<'_>) -> String {
    match (id, payload) {
        (0, Payload::CustomSection(section)) => format!("custom {}", section.name()),
        (id, _) => {
            let names = [
                "custom",
                "types",
                "imports",
                "functions",
                "tables",
                "memories",
                "globals",
                "exports",
                "start",
                "elements",
                "code",
                "data",
                "data count",
                "tags",
            ];
            names.get(usize::from(id)).map_or_else(|| format!("section {id}"), |name| (*name).to_string())
        }
    }
}

/// Explains the module, with its `largest` functions.
pub fn explain(bytes: &[u8], largest: usize) -> Result<()> {
    let module = read(bytes)?;
    println!("wasm module, {} bytes, {} functions of its own", bytes_of(bytes.len()), module.bodies.len());
    for memory in &module.memories {
        println!("memory: {memory}");
    }
    println!("sections:");
    for (name, size) in &module.sections {
        println!("  {:>9} {:>5.1} %  {name}", bytes_of(*size), 100.0 * *size as f64 / bytes.len() as f64);
    }
    println!("imports: {}", module.imports.len());
    for (from, name, what) in &module.imports {
        println!("  {from}.{name}  {what}");
    }
    println!("exports: {}", module.exports.len());
    for (name, what) in &module.exports {
        println!("  {name}  {what}");
    }
    if largest > 0 {
        let mut bodies: Vec<(usize, usize)> = module.bodies.iter().copied().enumerate().collect();
        bodies.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        println!("largest functions:");
        for (at, size) in bodies.iter().take(largest) {
            let index = at + module.imported_functions;
            let name = module.names.get(&index).map_or_else(|| format!("function {index}"), Clone::clone);
            println!("  {:>9} {:>5.1} %  {name}", bytes_of(*size), 100.0 * *size as f64 / bytes.len() as f64);
        }
        if module.names.is_empty() {
            println!("the module carries no names: build it without stripping to see them");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(module (import "e" "f" (func)) (memory (export "m") 1 4) (func (export "g")))`, by hand.
    const SMALL: &[u8] = &[
        0, b'a', b's', b'm', 1, 0, 0, 0, // magic, version
        1, 4, 1, 0x60, 0, 0, // one type: () -> ()
        2, 7, 1, 1, b'e', 1, b'f', 0, 0, // import e.f
        3, 2, 1, 0, // one function
        5, 4, 1, 1, 1, 4, // one memory, 1 to 4 pages
        7, 9, 2, 1, b'm', 2, 0, 1, b'g', 0, 1, // exports m and g
        10, 4, 1, 2, 0, 0x0b, // one body
        0, 11, 4, b'n', b'a', b'm', b'e', 1, 4, 1, 1, 1, b'g', // its name
    ];

    #[test]
    fn a_module_is_taken_apart() {
        let module = read(SMALL).expect("a module");
        assert_eq!(module.imports, [("e".to_string(), "f".to_string(), "function".to_string())]);
        assert_eq!(module.exports, [("m".to_string(), "memory"), ("g".to_string(), "function")]);
        assert_eq!(module.memories, ["1 pages (64 KiB), may grow to 4 (256 KiB)"]);
        assert_eq!((module.bodies.as_slice(), module.imported_functions), (&[2][..], 1));
        assert_eq!(module.names.get(&1).map(String::as_str), Some("g"));
        let names: Vec<&str> = module.sections.iter().map(|s| s.0.as_str()).collect();
        assert_eq!(names, ["types", "imports", "functions", "memories", "exports", "code", "custom name"]);
        assert!(read(&SMALL[..20]).is_err());
    }
}
