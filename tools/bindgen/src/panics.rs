//! Takes the words out of panics.
//!
//! A panic in what is shipped ends in a trap, and its words go nowhere: there is no hook that would tell them.
//! So whatever the standard library calls to panic traps at once, and what gathers the words is left out, because
//! nobody calls it then. What formats them stands in the table of functions, where nobody can tell that it is not
//! called: it traps, too. That is right as long as nothing but panics formats, which is checked.

use walrus::ir::{Visitor, dfs_in_order};
use walrus::{Function, FunctionBuilder, FunctionId, FunctionKind, Module};

/// Makes each function of the standard library that is there to panic a trap, and then each that formats. Functions are
/// told by their names. Fails with the name of one that formats and does not panic.
pub(crate) fn cut(module: &mut Module) -> Result<(), String> {
    trap_all(module, is_of_panic);
    let formatting = trap_all(module, is_of_words);
    for (id, function) in module.funcs.iter_local() {
        let mut calls = Calls { of: &formatting, found: false };
        dfs_in_order(&mut calls, function, function.entry_block());
        if calls.found {
            let name = module.funcs.get(id).name.as_deref().unwrap_or("a function");
            return Err(format!("{name} formats; put the words together without `format!`"));
        }
    }
    Ok(())
}

// Afterwards only what is used is left.
fn trap_all(module: &mut Module, is_meant: fn(&str) -> bool) -> Vec<FunctionId> {
    let is_meant = |function: &&Function| {
        let is_ours = matches!(function.kind, FunctionKind::Local(_));
        is_ours && function.name.as_deref().is_some_and(is_meant)
    };
    let meant: Vec<FunctionId> = module.funcs.iter().filter(is_meant).map(Function::id).collect();
    meant.iter().for_each(|function| trap(module, *function));
    walrus::passes::gc::run(module);
    meant
}

/// Whether a function calls one of these.
struct Calls<'a> {
    of: &'a [FunctionId],
    found: bool,
}

impl<'i> Visitor<'i> for Calls<'_> {
    fn visit_function_id(&mut self, function: &FunctionId) {
        self.found |= self.of.contains(function);
    }
}

fn trap(module: &mut Module, function: FunctionId) {
    let kind = module.types.get(module.funcs.get(function).ty());
    let (parameters, results) = (kind.params().to_vec(), kind.results().to_vec());
    let arguments = parameters.iter().map(|kind| module.locals.add(*kind)).collect();
    let mut body = FunctionBuilder::new(&mut module.types, &parameters, &results);
    body.func_body().unreachable();
    module.funcs.get_mut(function).kind = FunctionKind::Local(body.local_func(arguments));
}

/// Whether a function is run by panics only, by its name.
fn is_of_panic(name: &str) -> bool {
    let path = path(name);
    PANICKING.contains(&&*path) || MODULES.iter().any(|module| path.starts_with(module))
}

/// Whether a function is run by what formats only, by its name. What writes the pieces to a text may be run by others.
fn is_of_words(name: &str) -> bool {
    let path = path(name);
    let (_, of_trait) = path.split_once(" as core::fmt::").unwrap_or_default();
    let of_trait =
        !of_trait.is_empty() && of_trait != "Write::write_str" && of_trait != "Write::write_char";
    of_trait || path.starts_with("core::fmt::") || path.starts_with("alloc::fmt::")
}

/// A function's path, without what a compiler adds: hashes, types, and numbers that tell namesakes apart.
fn path(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    let mut depth = 0_usize;
    for letter in name.trim_start_matches('<').chars() {
        match letter {
            '[' | '<' => depth += 1,
            ']' | '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => path.push(letter),
            _ => {}
        }
    }
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let kept = match path.rsplit_once("::h") {
        Some((before, hash)) if is_hash(hash) => before.len(),
        _ => path.trim_end_matches("::").len(),
    };
    path.truncate(kept);
    path
}

// Not all of `std::panicking`: catching is there, too.
const MODULES: &[&str] =
    &["core::panicking::", "std::panicking::begin_panic", "std::panicking::panic_handler::"];

const PANICKING: &[&str] = &[
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::raw_vec::handle_error",
    "alloc::vec::Vec::insert::assert_failed",
    "alloc::vec::Vec::insert_mut::assert_failed",
    "alloc::vec::Vec::remove::assert_failed",
    "alloc::vec::Vec::split_off::assert_failed",
    "alloc::vec::Vec::swap_remove::assert_failed",
    "core::cell::lazy::panic_poisoned",
    "core::cell::panic_already_borrowed",
    "core::cell::panic_already_mutably_borrowed",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "core::slice::copy_from_slice_impl::len_mismatch_fail",
    "core::slice::index::slice_index_fail",
    "core::str::slice_error_fail",
    "core::str::slice_error_fail_rt",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_panics_and_is_not_ours_is_cut() {
        #[rustfmt::skip]
        let cases = [
            ("core::panicking::panic_fmt::h0123456789abcdef",                             true),
            ("core[9f1c0d2e3b4a5968]::panicking::panic_bounds_check",                     true),
            ("core[9f1c0d2e3b4a5968]::panicking::assert_failed::<usize, usize>",          true),
            ("core::panicking::assert_failed::h0123456789abcdef[1]",                      true),
            ("core::panicking::panic_const::panic_const_div_by_zero",                     true),
            ("<alloc[1f]::vec::Vec<_, _>>::remove::assert_failed",                        true),
            ("alloc::vec::Vec<T,A>::remove::assert_failed::h0123456789abcdef",            true),
            ("<std[1f]::panicking::panic_handler::Payload as core[2e]::fmt::Display>::fmt", true),
            ("core::result::unwrap_failed::h0123456789abcdef",                            true),
            ("alloc::vec::Vec<T,A>::remove::h0123456789abcdef",                           false),
            ("bellwether_shared::core::panicking::panic_fmt",                             false),
            ("bellwether_shared::outbox::Outbox::on_commit_failed::h0123456789abcdef",    false),
            ("<bellwether_web::Open as core::panicking::panic>::panic",                   false),
            ("bellwether_web::fault::handle_error::h0123456789abcdef",                    false),
            ("core::ptr::drop_in_place<core::panicking::Location>::h0123456789abcdef",    false),
            ("std::panicking::catch_unwind::h0123456789abcdef",                           false),
            ("core::option::Option<T>::expect::h0123456789abcdef",                        false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_of_panic(name), expected, "{name}");
        }
    }

    #[test]
    fn only_what_formats_is_cut() {
        #[rustfmt::skip]
        let cases = [
            ("core::fmt::write::h0123456789abcdef",                                       true),
            ("<core[9f1c0d2e3b4a5968]::fmt::Formatter>::pad_integral",                    true),
            ("alloc[9f1c0d2e3b4a5968]::fmt::format::format_inner",                        true),
            ("<&usize as core[9f1c0d2e3b4a5968]::fmt::Debug>::fmt",                       true),
            ("<bellwether_shared::base::ids::PageId as core::fmt::Display>::fmt::h0123456789abcdef", true),
            ("<alloc[1f]::string::String as core[2e]::fmt::Write>::write_fmt",            true),
            ("<alloc[1f]::string::String as core[2e]::fmt::Write>::write_str",            false),
            ("bellwether_shared::fmt::format::h0123456789abcdef",                         false),
            ("core::ptr::drop_in_place<core::fmt::Error>::h0123456789abcdef",             false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_of_words(name), expected, "{name}");
        }
    }

    fn function(module: &mut Module, name: &str, calls: &[FunctionId]) -> FunctionId {
        let mut body = FunctionBuilder::new(&mut module.types, &[], &[]);
        body.name(name.to_owned());
        for called in calls {
            body.func_body().call(*called);
        }
        body.finish(Vec::new(), &mut module.funcs)
    }

    #[test]
    fn what_formats_without_a_panic_is_an_error() {
        let mut module = Module::default();
        let mut function = |name, calls: &[_]| function(&mut module, name, calls);
        let words = function("core::fmt::write", &[]);
        let ours = function("ours", &[words]);
        module.exports.add("ours", ours);
        assert!(cut(&mut module).is_err_and(|told| told.starts_with("ours ")));
    }

    #[test]
    fn what_panics_traps_and_what_only_it_called_is_left_out() {
        let mut module = Module::default();
        let mut function = |name, calls: &[_]| function(&mut module, name, calls);
        let words = function("core::fmt::write", &[]);
        let panic = function("core::panicking::panic_fmt", &[words]);
        let ours = function("ours", &[panic]);
        module.exports.add("ours", ours);
        assert_eq!(cut(&mut module), Ok(()));
        let names = module.funcs.iter().filter_map(|function| function.name.clone());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        assert_eq!(names, ["core::panicking::panic_fmt", "ours"]);
        let FunctionKind::Local(body) = &module.funcs.get(panic).kind else { panic!("it is ours") };
        let body = body.block(body.entry_block());
        assert!(matches!(&body.instrs[..], [(walrus::ir::Instr::Unreachable(_), _)]));
    }
}
