//! The functions of a module in an order in which the compressor finds more: each behind the one it is most like.
//!
//! Distances between what is alike become short, which is worth about 1 kB of 130. What a function does, and which are exported or called, does not
//! change; only the numbers that they have.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionBody, FunctionSectionReader, Parser, Payload, TypeRef};

/// How many bytes are compared at once.
const GRAM: usize = 4;
/// What more functions have in common says nothing about any two of them.
const COMMON: usize = 60;

/// The same module with its functions in an order for the compressor.
///
/// # Errors
/// A module that cannot be read.
pub fn by_likeness(bytes: &[u8]) -> Result<Vec<u8>> {
    let (imported, bodies) = functions(bytes)?;
    let order = chain(&bodies);
    let mut place = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        place[*from] = to;
    }
    let (mut module, mut renumbered) = (Module::new(), Renumbered { imported, order, place });
    renumbered
        .parse_core_module(&mut module, Parser::new(0), bytes)
        .map_err(|problem| anyhow!("the module cannot be read: {problem}"))?;
    Ok(module.finish())
}

/// How many functions are imported, and the bytes of the others.
fn functions(bytes: &[u8]) -> Result<(u32, Vec<&[u8]>)> {
    let (mut imported, mut bodies) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                bodies.push(bytes.get(body.range()).context("a function ends behind the module")?);
            }
            _ => {}
        }
    }
    Ok((imported, bodies))
}

/// Begins with the first and goes on with whatever is most like the last; among equals the first.
fn chain(bodies: &[&[u8]]) -> Vec<usize> {
    let mut holders: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (index, body) in bodies.iter().enumerate() {
        for gram in body.windows(GRAM) {
            let holders = holders.entry(gram).or_default();
            if holders.last() != Some(&index) {
                holders.push(index);
            }
        }
    }
    let (mut order, mut left) = (Vec::with_capacity(bodies.len()), vec![true; bodies.len()]);
    let mut next = (!bodies.is_empty()).then_some(0);
    while let Some(last) = next {
        left[last] = false;
        order.push(last);
        let mut shared = vec![0.0f64; bodies.len()];
        let mut grams: Vec<&[u8]> = bodies[last].windows(GRAM).collect();
        grams.sort_unstable();
        grams.dedup();
        for gram in grams {
            let holders = &holders[gram];
            if holders.len() < COMMON {
                for holder in holders {
                    shared[*holder] += 1.0 / (holders.len() as f64).sqrt();
                }
            }
        }
        let likeness = |index: usize| shared[index] / (bodies[index].len() as f64 + 20.0).sqrt();
        next = (0..bodies.len())
            .filter(|index| left[*index])
            .reduce(|best, other| if likeness(other) > likeness(best) { other } else { best });
    }
    order
}

struct Renumbered {
    imported: u32,
    /// By new place, the old one.
    order: Vec<usize>,
    /// By old place, the new one.
    place: Vec<usize>,
}

impl Reencode for Renumbered {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(match function.checked_sub(self.imported) {
            Some(own) => self.imported + self.place[own as usize] as u32,
            None => function,
        })
    }

    fn parse_function_section(
        &mut self,
        to: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        let types = section.into_iter().collect::<Result<Vec<u32>, _>>()?;
        for from in &self.order {
            to.function(types[*from]);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, to: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        let bodies = section.into_iter().collect::<Result<Vec<FunctionBody<'_>>, _>>()?;
        for from in std::mem::take(&mut self.order) {
            self.parse_function_body(to, bodies[from].clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the third function are alike; every function is called, exported or held in a table under its number.
    const MODULE: &str = r#"(module
        (import "host" "note" (func $note (param i32)))
        (table (export "table") 2 funcref)
        (elem (i32.const 0) $odd $second)
        (func $first (export "first") (result i32) (i32.add (i32.mul (i32.const 123) (i32.const 45)) (i32.const 1)))
        (func $odd (export "odd") (param f64) (result f64) (f64.sqrt (f64.abs (local.get 0))))
        (func $second (export "second") (result i32) (i32.add (i32.mul (i32.const 123) (i32.const 45)) (i32.const 2)))
        (func (export "all") (result f64)
            (call $note (call $first)) (call $note (call $second)) (call $odd (f64.const 4))))"#;

    #[test]
    fn what_is_alike_stands_together_and_every_number_follows() {
        let module = wat::parse_str(MODULE).unwrap();
        let ordered = by_likeness(&module).unwrap();
        wasmparser::Validator::new().validate_all(&ordered).unwrap();
        let ((_, before), (imported, after)) = (functions(&module).unwrap(), functions(&ordered).unwrap());
        assert_eq!((imported, after[0], after[1]), (1, before[0], before[2]));
        // Exports name the bodies that they named: `odd` is where its square root went.
        for payload in Parser::new(0).parse_all(&ordered) {
            if let Payload::ExportSection(section) = payload.unwrap() {
                for export in section {
                    let export = export.unwrap();
                    let body =
                        |old: usize| after.iter().position(|body| *body == before[old]).unwrap() as u32 + imported;
                    match export.name {
                        "first" => assert_eq!(export.index, body(0)),
                        "odd" => assert_eq!(export.index, body(1)),
                        "second" => assert_eq!(export.index, body(2)),
                        _ => {}
                    }
                }
            }
        }
        assert_eq!(by_likeness(&module).unwrap(), ordered);
    }
}
