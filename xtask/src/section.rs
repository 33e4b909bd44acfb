//! Reads from a wasm module how large each of its functions is, and what it is called.
//!
//! What always holds: a module that is cut short or makes no sense gives `None`, never a panic.
//! Not here: anything else a module holds; one number and one name per function is all we measure.

/// A function's name, as the module tells it, and the length of its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its path in Rust, or `function <index>` where the module names none.
    pub(crate) name: String,
    /// Bytes of its code.
    pub(crate) code_bytes: usize,
}

/// What a module is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Module {
    /// All functions that have code, in their order.
    pub(crate) functions: Vec<Function>,
    /// Bytes of its data section: strings and tables of constants.
    pub(crate) data_bytes: usize,
}

/// Takes a module apart.
pub(crate) fn parse(module: &[u8]) -> Option<Module> {
    let mut rest = Bytes(module.strip_prefix(b"\0asm\x01\0\0\0")?);
    let mut imported = 0;
    let mut code = Vec::new();
    let mut names = Vec::new();
    let mut data_bytes = 0;
    while !rest.0.is_empty() {
        let id = rest.byte()?;
        let section = rest.vector()?;
        match id {
            CUSTOM => {
                let mut custom = Bytes(section);
                if custom.vector()? == b"name" {
                    names = function_names(custom)?;
                }
            }
            IMPORT => imported = imported_functions(Bytes(section))?,
            CODE => code = code_sizes(Bytes(section))?,
            DATA => data_bytes = section.len(),
            _ => {}
        }
    }
    let functions = code.into_iter().enumerate().map(|(place, code_bytes)| {
        let index = imported + place;
        let name = names.iter().find(|(named, _)| *named == index);
        let name = name.map_or_else(|| format!("function {index}"), |(_, name)| name.clone());
        Function { name, code_bytes }
    });
    Some(Module { functions: functions.collect(), data_bytes })
}

/// The crate that a function's path begins with: `core` for `<core::str::Utf8Error as …>::fmt`.
pub(crate) fn crate_of(name: &str) -> &str {
    let bare = name.trim_start_matches(['<', '&', '*', '[', '(', ' ']);
    for prefix in ["mut ", "const ", "dyn ", "impl "] {
        if let Some(rest) = bare.strip_prefix(prefix) {
            return crate_of(rest);
        }
    }
    let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let end = bare.find(|letter| !is_of_name(letter)).unwrap_or(bare.len());
    match bare.get(end..end + 2) {
        Some("::") => &bare[..end],
        // `<T as core::fmt::Debug>::fmt` and names without a path.
        _ => match name.split_once(" as ") {
            Some((_, of)) => crate_of(of),
            None => "other",
        },
    }
}

fn imported_functions(mut section: Bytes<'_>) -> Option<usize> {
    let mut functions = 0;
    for _ in 0..section.number()? {
        section.vector()?;
        section.vector()?;
        match section.byte()? {
            0 => {
                section.number()?;
                functions += 1;
            }
            1 => {
                section.byte()?;
                section.limits()?;
            }
            2 => section.limits()?,
            3 => {
                section.byte()?;
                section.byte()?;
            }
            _ => return None,
        }
    }
    Some(functions)
}

fn code_sizes(mut section: Bytes<'_>) -> Option<Vec<usize>> {
    (0..section.number()?).map(|_| section.vector().map(<[u8]>::len)).collect()
}

fn function_names(mut section: Bytes<'_>) -> Option<Vec<(usize, String)>> {
    while !section.0.is_empty() {
        let is_functions = section.byte()? == 1;
        let mut names = Bytes(section.vector()?);
        if is_functions {
            let count = names.number()?;
            let one = |_| {
                let index = names.number()?;
                Some((index, String::from_utf8_lossy(names.vector()?).into_owned()))
            };
            return (0..count).map(one).collect();
        }
    }
    Some(Vec::new())
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// An unsigned number, seven bits to the byte, the lowest first.
    fn number(&mut self) -> Option<usize> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(number).ok();
            }
        }
        None
    }

    /// As many bytes as the number before them says.
    fn vector(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn limits(&mut self) -> Option<()> {
        let has_most = self.byte()? & 1 == 1;
        self.number()?;
        if has_most {
            self.number()?;
        }
        Some(())
    }
}

const CUSTOM: u8 = 0;
const IMPORT: u8 = 2;
const CODE: u8 = 10;
const DATA: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;

    /// One imported function and one imported memory, two functions of which the last is named.
    fn module() -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend([2, 15, 2, 1, b'e', 1, b'f', 0, 0, 1, b'e', 1, b'm', 2, 1, 1, 2]);
        module.extend([10, 8, 2, 2, 0, 0x0b, 3, 0, 0x01, 0x0b]);
        module.extend([11, 2, 0, 0]);
        module.extend([0, 16, 4, b'n', b'a', b'm', b'e', 0, 1, 0, 1, 6, 1, 2, 3, b'a', b':', b'b']);
        module
    }

    #[test]
    fn functions_are_found_with_their_names_and_sizes() {
        let parsed = parse(&module()).expect("the module is well formed");
        let function = |name: &str, code_bytes| Function { name: name.to_owned(), code_bytes };
        assert_eq!(parsed.functions, [function("function 1", 2), function("a:b", 3)]);
        assert_eq!(parsed.data_bytes, 2);
    }

    #[test]
    fn a_module_cut_short_anywhere_is_refused_or_smaller() {
        let whole = module();
        for end in 0..whole.len() {
            let cut = parse(&whole[..end]);
            assert_ne!(cut, parse(&whole), "cut at {end}");
        }
    }

    #[test]
    fn a_function_belongs_to_the_crate_its_path_begins_with() {
        #[rustfmt::skip]
        let cases = [
            ("bellwether_shared::outbox::Outbox::handle",           "bellwether_shared"),
            ("<alloc::vec::Vec<T> as core::fmt::Debug>::fmt",       "alloc"),
            ("<&mut dyn core::fmt::Write as core::fmt::Write>::f",  "core"),
            ("<T as core::any::Any>::type_id",                      "core"),
            ("dlmalloc::dlmalloc::Dlmalloc<A>::malloc",             "dlmalloc"),
            ("memcpy",                                              "other"),
            ("function 12",                                         "other"),
        ];
        for (name, owner) in cases {
            assert_eq!(crate_of(name), owner, "{name}");
        }
    }
}
