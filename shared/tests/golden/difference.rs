//! The difference of two texts, line by line, with a little of what stands around it.

/// Lines that only `old` has begin with `-`, those that only `new` has with `+`.
pub(crate) fn between(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let common = common(&old, &new);
    let (mut at_old, mut at_new) = (0, 0);
    let mut lines = Vec::new();
    while at_old < old.len() || at_new < new.len() {
        let same = at_old < old.len() && at_new < new.len() && old[at_old] == new[at_new];
        if same {
            lines.push((' ', old[at_old]));
            (at_old, at_new) = (at_old + 1, at_new + 1);
        } else if at_new == new.len()
            || (at_old < old.len() && common[at_old + 1][at_new] >= common[at_old][at_new + 1])
        {
            lines.push(('-', old[at_old]));
            at_old += 1;
        } else {
            lines.push(('+', new[at_new]));
            at_new += 1;
        }
    }
    let is_near = |at: usize| {
        let around = at.saturating_sub(AROUND)..(at + AROUND + 1).min(lines.len());
        lines[around].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut shown = String::new();
    for (at, (mark, line)) in lines.iter().enumerate() {
        if is_near(at) {
            shown.push_str(&format!("{mark} {line}\n"));
        } else if at > 0 && is_near(at - 1) {
            shown.push_str("  …\n");
        }
    }
    shown
}

// How many lines both have in common from each pair of places on.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for at_old in (0..old.len()).rev() {
        for at_new in (0..new.len()).rev() {
            common[at_old][at_new] = if old[at_old] == new[at_new] {
                common[at_old + 1][at_new + 1] + 1
            } else {
                common[at_old + 1][at_new].max(common[at_old][at_new + 1])
            };
        }
    }
    common
}

const AROUND: usize = 3;

#[test]
fn a_difference_shows_what_changed_and_where() {
    let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
    let new = "a\nb\nc\nd\nx\nf\ng\nh\ni\nj\n";
    assert_eq!(between(old, old), "");
    assert_eq!(between(old, new), "  b\n  c\n  d\n- e\n+ x\n  f\n  g\n  h\n  i\n+ j\n");
}
