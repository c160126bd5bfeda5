//! Names in messages: suggestions for misspelt ones, and lists of them.

/// The largest edit distance between a misspelt name and a suggestion is 1 plus a quarter of the longer name.
const LETTERS_PER_TYPO: usize = 4;

/// The name of `names` that is closest to `typed`, if one is close enough.
pub fn nearest<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = typed.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + typed.len().max(name.len()) / LETTERS_PER_TYPO)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `a, b and c` in backquotes; `none` if there are none.
pub fn enumerate<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
