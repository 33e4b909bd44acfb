//! Arranges a wasm module so that it compresses better. It does what it did before.
//!
//! ```text
//! bellwether-pack <from.wasm> <to.wasm>
//! ```
//!
//! Functions come in an order in which like follows like, see `order`; where the source of a panic lies is blanked,
//! see `places`. Custom sections are left out.

mod order;
mod places;

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use wasm_encoder::reencode::{Error as Unencodable, Reencode, utils};
use wasm_encoder::{CodeSection, DataSection, FunctionSection, Module};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, Data, FunctionBody, FunctionSectionReader, Parser,
    Payload, TypeRef,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: bellwether-pack <from.wasm> <to.wasm>");
        return ExitCode::from(2);
    };
    match pack(Path::new(from), Path::new(to)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{from}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let packed = packed(&std::fs::read(from)?)?;
    Ok(std::fs::write(to, packed)?)
}

fn packed(module: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut imported, mut bodies, mut data) = (0, Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes().to_vec()),
            Payload::DataSection(section) => {
                data = section.into_iter().collect::<Result<Vec<Data<'_>>, _>>()?;
            }
            _ => {}
        }
    }
    let order = order::by_likeness(&bodies);
    let mut places = vec![0; order.len()];
    for (place, &function) in (imported..).zip(&order) {
        places[function] = place;
    }
    let data = places::blanked(&data)?;
    let mut arranged = Module::new();
    let mut arrange = Arrange { imported, order, places, data: data.into_iter() };
    arrange.parse_core_module(&mut arranged, Parser::new(0), module)?;
    Ok(arranged.finish())
}

struct Arrange {
    /// How many functions are imported. They come first, and stay.
    imported: u32,
    /// The functions of the module itself as they are to come, by their places among themselves.
    order: Vec<usize>,
    /// Where each of them is then, counted with the imported ones.
    places: Vec<u32>,
    /// What is written in the place of each piece of data.
    data: std::vec::IntoIter<Vec<u8>>,
}

type Done = Result<(), Unencodable<Infallible>>;

impl Reencode for Arrange {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Unencodable<Infallible>> {
        let local = function.checked_sub(self.imported).map(|local| self.places[local as usize]);
        Ok(local.unwrap_or(function))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Done {
        let types = section.into_iter().collect::<Result<Vec<u32>, _>>()?;
        for &function in &self.order {
            functions.function(types[function]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Done {
        let bodies = section.into_iter().collect::<Result<Vec<FunctionBody<'_>>, _>>()?;
        for function in self.order.clone() {
            self.parse_function_body(code, bodies[function].clone())?;
        }
        Ok(())
    }

    fn parse_data(&mut self, section: &mut DataSection, data: Data<'_>) -> Done {
        let blanked = self.data.next().unwrap_or_else(|| data.data.to_vec());
        utils::parse_data(self, section, Data { data: &blanked, ..data })
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: CustomSectionReader<'_>) -> Done {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{ExportKind, ExportSection, Function, Instruction, TypeSection, ValType};

    // Functions that call one another, of which the first two are alike only to the last.
    fn module() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], [ValType::I32]);
        types.ty().function([ValType::I64], [ValType::I32]);
        let mut functions = FunctionSection::new();
        [0, 1, 0].iter().for_each(|kind| {
            functions.function(*kind);
        });
        let constant = |value| {
            let mut function = Function::new([]);
            (0..8).for_each(|_| {
                function.instruction(&Instruction::I32Const(value));
                function.instruction(&Instruction::Drop);
            });
            function
        };
        let (mut first, mut second, mut third) = (constant(7), constant(9), constant(7));
        first.instruction(&Instruction::I32Const(1)).instruction(&Instruction::End);
        second.instruction(&Instruction::Call(2)).instruction(&Instruction::End);
        third.instruction(&Instruction::Call(0)).instruction(&Instruction::End);
        let mut code = CodeSection::new();
        code.function(&first).function(&second).function(&third);
        let mut exports = ExportSection::new();
        exports.export("second", ExportKind::Func, 1);
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&exports).section(&code);
        module.finish()
    }

    #[test]
    fn functions_move_with_their_types_and_are_called_where_they_are() {
        let packed = packed(&module()).expect("it is a module");
        let (mut kinds, mut calls, mut exported) = (Vec::new(), Vec::new(), None);
        for payload in Parser::new(0).parse_all(&packed) {
            match payload.expect("it is well-formed") {
                Payload::FunctionSection(section) => {
                    kinds = section.into_iter().map(|kind| kind.expect("a type")).collect();
                }
                Payload::ExportSection(section) => {
                    exported = section.into_iter().next().map(|it| it.expect("an export").index);
                }
                Payload::CodeSectionEntry(body) => {
                    let operators = body.get_operators_reader().expect("a body").into_iter();
                    calls.push(operators.flatten().find_map(|operator| match operator {
                        wasmparser::Operator::Call { function_index } => Some(function_index),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
        // The first, the third, which is like it, and the second.
        assert_eq!(kinds, [0, 0, 1]);
        assert_eq!(calls, [None, Some(0), Some(1)]);
        assert_eq!(exported, Some(2));
    }
}
