//! Takes the words out of panics.
//!
//! A panic in what is shipped ends in a trap, and its words go nowhere: there is no hook that would tell them.
//! So whatever the standard library calls to panic traps at once. What gathers and writes the words is
//! called by nobody then, and is left out.

use walrus::{FunctionBuilder, FunctionId, FunctionKind, Module};

/// Makes each function of the standard library that is there to panic a trap. Functions are told by their names.
pub(crate) fn cut(module: &mut Module) {
    let functions = module.funcs.iter_local();
    let panicking: Vec<FunctionId> = functions
        .filter(|(id, _)| module.funcs.get(*id).name.as_deref().is_some_and(is_of_panic))
        .map(|(id, _)| id)
        .collect();
    for function in panicking {
        trap(module, function);
    }
    walrus::passes::gc::run(module);
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
    fn what_panics_traps_and_what_only_it_called_is_left_out() {
        let mut module = Module::default();
        let mut function = |name: &str, calls: &[FunctionId]| {
            let mut body = FunctionBuilder::new(&mut module.types, &[], &[]);
            body.name(name.to_owned());
            for called in calls {
                body.func_body().call(*called);
            }
            body.finish(Vec::new(), &mut module.funcs)
        };
        let words = function("core::fmt::write", &[]);
        let panic = function("core::panicking::panic_fmt", &[words]);
        let ours = function("ours", &[panic]);
        module.exports.add("ours", ours);
        cut(&mut module);
        let names = module.funcs.iter().filter_map(|function| function.name.clone());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        assert_eq!(names, ["core::panicking::panic_fmt", "ours"]);
        let FunctionKind::Local(body) = &module.funcs.get(panic).kind else { panic!("it is ours") };
        let body = body.block(body.entry_block());
        assert!(matches!(&body.instrs[..], [(walrus::ir::Instr::Unreachable(_), _)]));
    }
}
