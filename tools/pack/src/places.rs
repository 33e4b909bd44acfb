//! Where panics come from: of no use where a panic is a trap without words.
//!
//! For each place that may panic the compiler keeps a `core::panic::Location`: address and length of the file's name, line
//! and column, four bytes each. No compressor finds much in them, and the names are of the machine that compiled.

use std::collections::BTreeSet;
use std::ops::Range;

use wasmparser::{BinaryReaderError, Data, DataKind, Operator};

/// The pieces of data, with zeros in the place of each location and of the names that they have.
pub(crate) fn blanked(data: &[Data<'_>]) -> Result<Vec<Vec<u8>>, BinaryReaderError> {
    let starts = data.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let mut texts = BTreeSet::new();
    let mut found: Vec<(usize, Range<usize>)> = Vec::new();
    for (piece, start) in starts.iter().enumerate() {
        let Some(start) = start else { continue };
        let aligned = start.next_multiple_of(WORD) - start;
        for at in (aligned..data[piece].data.len()).step_by(WORD) {
            let Some(location) = data[piece].data.get(at..at + 4 * WORD) else { break };
            if let Some(text) = name_of(location, data, &starts) {
                found.push((piece, at..at + 4 * WORD));
                texts.insert(text);
            }
        }
    }
    let mut blanked: Vec<Vec<u8>> = data.iter().map(|piece| piece.data.to_vec()).collect();
    let texts = texts.into_iter().map(|(piece, from, to)| (piece, from..to));
    for (piece, range) in found.into_iter().chain(texts) {
        blanked[piece][range].fill(0);
    }
    Ok(blanked)
}

/// The piece of data, and from where to where in it, of the name in a location; `None` if this is no location.
fn name_of(
    location: &[u8],
    data: &[Data<'_>],
    starts: &[Option<usize>],
) -> Option<(usize, usize, usize)> {
    let mut words = location.chunks_exact(WORD).map(|word| word.iter().rev());
    let mut word = || Some(words.next()?.fold(0, |number, byte| number << 8 | usize::from(*byte)));
    let (address, length, line, column) = (word()?, word()?, word()?, word()?);
    let is_place = (1..=LINE_MAX).contains(&line) && (1..=COLUMN_MAX).contains(&column);
    if !is_place || length < NAME_END.len() {
        return None;
    }
    starts.iter().enumerate().find_map(|(piece, start)| {
        let from = address.checked_sub((*start)?)?;
        let to = from.checked_add(length)?;
        data[piece].data.get(from..to)?.ends_with(NAME_END).then_some((piece, from, to))
    })
}

/// The address at which a piece of data lies from the start on.
fn start(data: &Data<'_>) -> Result<Option<usize>, BinaryReaderError> {
    let DataKind::Active { offset_expr, .. } = &data.kind else { return Ok(None) };
    Ok(match offset_expr.get_operators_reader().read()? {
        Operator::I32Const { value } => usize::try_from(value).ok(),
        _ => None,
    })
}

const WORD: usize = 4;
const NAME_END: &[u8] = b".rs";
const LINE_MAX: usize = 100_000;
const COLUMN_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::DataSectionReader;

    #[test]
    fn only_locations_and_their_names_are_blanked() {
        let mut content = b"src/a.rskeep.rs!".to_vec();
        let words = [1024_u32, 8, 12, 5, 1032, 7, 0, 5, 1024, 7, 12, 5];
        content.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        let mut section = wasm_encoder::DataSection::new();
        section.active(0, &wasm_encoder::ConstExpr::i32_const(1024), content.iter().copied());
        let mut bytes = Vec::new();
        wasm_encoder::Encode::encode(&section, &mut bytes);
        // Behind the section's length.
        let reader = wasmparser::BinaryReader::new(&bytes[1..], 0);
        let data: Vec<Data<'_>> = DataSectionReader::new(reader)
            .expect("it is a section")
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("it is well-formed");
        let blanked = blanked(&data).expect("its offset is a number");
        // The second names no line, the third ends within a name.
        assert_eq!(blanked[0][..16], *b"\0\0\0\0\0\0\0\0keep.rs!");
        assert_eq!(blanked[0][16..32], [0; 16]);
        assert_eq!(blanked[0][32..], content[32..]);
    }
}
