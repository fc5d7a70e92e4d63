//! The locals of every function numbered so that the compressor finds more: as in what stands before.
//!
//! Which number a local has makes no difference to a function, and what is numbered by how often it is used is numbered differently in functions
//! that do the same. Two locals of one type change numbers where more of the function's bytes stand in others then. With it go hints at
//! unaligned access, which no client needs, and whose bytes follow from nothing. Both are worth 2.5 kB of 127.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use anyhow::{Result, anyhow};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, Function, Instruction, MemArg, Module, ValType};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

/// Lengths of the runs of bytes that are looked for among those seen before.
const RUNS: [usize; 8] = [2, 3, 4, 5, 6, 8, 10, 14];
/// The longest of them.
const LONGEST: usize = 14;
/// How often the pairs of a function are tried at most.
const ROUNDS: usize = 4;
/// In which order the types of locals stand.
const ORDER: [wasmparser::ValType; 4] =
    [wasmparser::ValType::I32, wasmparser::ValType::I64, wasmparser::ValType::F32, wasmparser::ValType::F64];
/// Functions with more locals are left as they are: numbers above take two bytes.
const MOST: usize = 127;

/// The same module with the locals of its functions in an order for the compressor, and natural hints of alignment.
///
/// # Errors
/// A module that cannot be read.
pub fn for_compressor(bytes: &[u8]) -> Result<Vec<u8>> {
    // Bytes are compared as they will be written: with their hints, and with locals of one type side by side.
    let plain = rewritten(bytes, bodies(bytes)?.iter().map(Body::by_type).collect())?;
    let (mut bodies, mut seen) = (bodies(&plain)?, Seen::default());
    for body in &mut bodies {
        body.number(&seen);
        seen.add(&body.bytes);
    }
    // Now that all are known, each once more by all others.
    for body in &mut bodies {
        seen.remove(&body.bytes);
        body.number(&seen);
        seen.add(&body.bytes);
    }
    rewritten(&plain, bodies.into_iter().map(|body| body.numbers).collect())
}

/// A function's instructions, and what its locals are.
struct Body {
    bytes: Vec<u8>,
    /// By local, where the bytes that name it are.
    uses: Vec<Vec<usize>>,
    /// Types of the locals, behind the parameters.
    types: Vec<wasmparser::ValType>,
    /// New numbers of the locals by their old ones, parameters included.
    numbers: Vec<u32>,
}

impl Body {
    fn parameters(&self) -> usize {
        self.uses.len() - self.types.len()
    }

    /// New numbers of the locals by their old ones, parameters included: integers first, and every type in one piece.
    fn by_type(&self) -> Vec<u32> {
        let mut order: Vec<usize> = (0..self.types.len()).collect();
        order.sort_by_key(|local| ORDER.iter().position(|kind| *kind == self.types[*local]));
        let (parameters, mut numbers) = (self.parameters(), self.numbers.clone());
        for (to, from) in order.into_iter().enumerate() {
            numbers[parameters + from] = (parameters + to) as u32;
        }
        numbers
    }

    /// Exchanges the numbers of locals as long as that makes more of the bytes what was seen.
    fn number(&mut self, seen: &Seen) {
        let locals = self.parameters()..self.uses.len();
        for _ in 0..if locals.end <= MOST { ROUNDS } else { 0 } {
            let mut better = false;
            for first in locals.clone() {
                for second in first + 1..locals.end {
                    let alike = self.types[first - locals.start] == self.types[second - locals.start];
                    better |= alike && self.exchanged(first, second, seen);
                }
            }
            if !better {
                break;
            }
        }
    }

    /// Exchanges the numbers of two locals if more was seen then; says whether.
    fn exchanged(&mut self, first: usize, second: usize, seen: &Seen) -> bool {
        let starts = self.starts(first, second);
        let before = seen.of(&self.bytes, &starts);
        self.exchange(first, second);
        if seen.of(&self.bytes, &starts) > before {
            return true;
        }
        self.exchange(first, second);
        false
    }

    fn exchange(&mut self, first: usize, second: usize) {
        self.numbers.swap(first, second);
        for local in [first, second] {
            for at in &self.uses[local] {
                self.bytes[*at] = self.numbers[local] as u8;
            }
        }
    }

    /// Where runs begin that may hold one of two locals.
    fn starts(&self, first: usize, second: usize) -> Vec<usize> {
        let (mut left, mut right) = (self.uses[first].as_slice(), self.uses[second].as_slice());
        let (mut starts, mut free) = (Vec::new(), 0);
        while !left.is_empty() || !right.is_empty() {
            let nearer = if right.first().is_none_or(|at| left.first().is_some_and(|other| other < at)) {
                &mut left
            } else {
                &mut right
            };
            let at = nearer[0];
            *nearer = &nearer[1..];
            starts.extend(free.max((at + 1).saturating_sub(LONGEST))..=at);
            free = at + 1;
        }
        starts
    }
}

/// Runs of bytes that stand in other functions, as hashes, and how often.
#[derive(Default)]
struct Seen(HashMap<u64, u32, BuildHasherDefault<Itself>>);

impl Seen {
    fn add(&mut self, bytes: &[u8]) {
        for hash in (0..bytes.len()).flat_map(|start| hashes(&bytes[start..])) {
            *self.0.entry(hash).or_default() += 1;
        }
    }

    /// Takes out what was put in.
    fn remove(&mut self, bytes: &[u8]) {
        for hash in (0..bytes.len()).flat_map(|start| hashes(&bytes[start..])) {
            if let Entry::Occupied(mut times) = self.0.entry(hash) {
                *times.get_mut() -= 1;
                if *times.get() == 0 {
                    times.remove();
                }
            }
        }
    }

    /// How many of the runs that begin at these places were seen; of each place only up to the first that was not.
    fn of(&self, bytes: &[u8], starts: &[usize]) -> usize {
        starts.iter().map(|start| hashes(&bytes[*start..]).take_while(|hash| self.0.contains_key(hash)).count()).sum()
    }
}

/// A hash that is one already.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are kept")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// FNV-1a of the runs at the beginning of some bytes, the shortest first.
fn hashes(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (mut hash, mut done) = (0xcbf2_9ce4_8422_2325_u64, 0);
    RUNS.iter().map_while(move |run| {
        for byte in bytes.get(done..*run)? {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        done = *run;
        // Runs of different lengths are kept in one map.
        Some(hash.rotate_left(*run as u32))
    })
}

/// The functions of a module.
fn bodies(module: &[u8]) -> Result<Vec<Body>> {
    let (mut parameters, mut of, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                for types in section.into_iter_err_on_gc_types() {
                    parameters.push(types?.params().len());
                }
            }
            Payload::FunctionSection(section) => {
                for function in section {
                    of.push(parameters[function? as usize]);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let types = types(&body)?;
                let mut uses = vec![Vec::new(); of[bodies.len()] + types.len()];
                let mut operators = body.get_operators_reader()?;
                let start = operators.original_position();
                while !operators.eof() {
                    // One byte says what is done, those behind it with which local.
                    let at = operators.original_position() + 1 - start;
                    if let Operator::LocalGet { local_index: local }
                    | Operator::LocalSet { local_index: local }
                    | Operator::LocalTee { local_index: local } = operators.read()?
                    {
                        uses[local as usize].push(at);
                    }
                }
                let bytes = module[start..operators.original_position()].to_vec();
                let numbers = (0..uses.len() as u32).collect();
                bodies.push(Body { bytes, uses, types, numbers });
            }
            _ => {}
        }
    }
    Ok(bodies)
}

fn types(body: &FunctionBody<'_>) -> wasmparser::Result<Vec<wasmparser::ValType>> {
    let mut types = Vec::new();
    for group in body.get_locals_reader()? {
        let (count, kind) = group?;
        types.extend(std::iter::repeat_n(kind, count as usize));
    }
    Ok(types)
}

/// The module with natural hints, and these new numbers of the locals of each function by the old ones.
fn rewritten(bytes: &[u8], numbers: Vec<Vec<u32>>) -> Result<Vec<u8>> {
    let mut module = Module::new();
    Renumbered(numbers.into_iter())
        .parse_core_module(&mut module, Parser::new(0), bytes)
        .map_err(|problem| anyhow!("the module cannot be read: {problem}"))?;
    Ok(module.finish())
}

struct Renumbered(std::vec::IntoIter<Vec<u32>>);

impl Reencode for Renumbered {
    type Error = wasmparser::BinaryReaderError;

    fn mem_arg(&mut self, access: wasmparser::MemArg) -> Result<MemArg, Error<Self::Error>> {
        Ok(MemArg { offset: access.offset, align: u32::from(access.max_align), memory_index: access.memory })
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let numbers = self.0.next().unwrap_or_default();
        let types = types(&body)?;
        let parameters = numbers.len() - types.len();
        let mut renumbered = vec![ValType::I32; types.len()];
        for (kind, number) in types.into_iter().zip(&numbers[parameters..]) {
            renumbered[*number as usize - parameters] = self.val_type(kind)?;
        }
        let mut function = Function::new_with_locals_types(renumbered);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            function.instruction(&match self.parse_instruction(&mut operators)? {
                Instruction::LocalGet(local) => Instruction::LocalGet(numbers[local as usize]),
                Instruction::LocalSet(local) => Instruction::LocalSet(numbers[local as usize]),
                Instruction::LocalTee(local) => Instruction::LocalTee(numbers[local as usize]),
                other => other,
            });
        }
        code.function(&function);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions that do the same with other numbers; an access with a hint at less than its size.
    const MODULE: &str = r#"(module (memory 1)
        (func (export "first") (param i32) (result f32) (local f32 i32 i32)
            (local.set 2 (i32.mul (local.get 0) (i32.const 77))) (local.set 3 (i32.load offset=9 align=1 (local.get 2)))
            (local.set 1 (f32.load (local.get 3))) (f32.add (local.get 1) (f32.convert_i32_u (local.get 2))))
        (func (export "second") (param i32) (result f32) (local i32 f32 i32)
            (local.set 3 (i32.mul (local.get 0) (i32.const 77))) (local.set 1 (i32.load offset=9 align=1 (local.get 3)))
            (local.set 2 (f32.load (local.get 1))) (f32.add (local.get 2) (f32.convert_i32_u (local.get 3)))))"#;

    #[test]
    fn functions_that_do_the_same_become_the_same_and_hints_natural() {
        let module = wat::parse_str(MODULE).unwrap();
        let renumbered = for_compressor(&module).unwrap();
        wasmparser::Validator::new().validate_all(&renumbered).unwrap();
        let (before, after) = (bodies(&module).unwrap(), bodies(&renumbered).unwrap());
        assert_ne!(before[0].bytes, before[1].bytes);
        assert_eq!(after[0].bytes, after[1].bytes);
        // What the first function has in the places of each local is one local still.
        assert_eq!(after[0].uses.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 2, 2]);
        assert_eq!(after[0].types, [wasmparser::ValType::I32, wasmparser::ValType::I32, wasmparser::ValType::F32]);
        let printed = after[0].bytes.windows(3).filter(|bytes| bytes == &[0x28, 2, 9]).count();
        assert_eq!(printed, 1, "the hint of a word's access is its size");
        assert_eq!(for_compressor(&module).unwrap(), renumbered);
    }
}
