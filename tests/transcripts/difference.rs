//! What differs between two texts, line by line.

/// How many lines are shown around a difference.
const AROUND: usize = 3;

/// Shows the lines that are gone with `-`, those that are new with `+`, and a few around them.
pub(crate) fn of(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let lines = aligned(&old, &new);
    let is_near = |index: usize| {
        let near = lines.iter().skip(index.saturating_sub(AROUND)).take(2 * AROUND + 1);
        near.into_iter().any(|(mark, _)| *mark != ' ')
    };
    let shown = lines.iter().enumerate().filter(|(index, _)| is_near(*index));
    shown.map(|(_, (mark, line))| format!("  {mark} {line}\n")).collect()
}

/// The longest common lines, with what is between them.
fn aligned<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut lengths = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    let at = |lengths: &[Vec<usize>], i: usize, j: usize| {
        lengths.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0)
    };
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let length = if one == other {
                at(&lengths, i + 1, j + 1) + 1
            } else {
                at(&lengths, i + 1, j).max(at(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = length;
            }
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(one), Some(other)) if one == other => {
                lines.push((' ', *one));
                i += 1;
                j += 1;
            }
            (Some(one), other)
                if other.is_none() || at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) =>
            {
                lines.push(('-', *one));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push(('+', *other));
                j += 1;
            }
            (_, None) => return lines,
        }
    }
}
