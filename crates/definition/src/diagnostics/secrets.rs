//! Secrets that stand in a file are not shown in diagnostics.

use strsim::normalized_damerau_levenshtein;

/// Whether the value of a key is a secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let holds = ["password", "secret", "passphrase", "credential"]
        .iter()
        .any(|word| key.contains(word));
    let last = key.rsplit(['.', '_', '-']).next().unwrap_or_default();
    holds
        || ["token", "key.pem", "oauthbearer.config"]
            .iter()
            .any(|end| key.ends_with(end))
        // A mistyped key is what a diagnostic is about, and its value is a secret all the same.
        || ["password", "secret"].iter().any(|word| normalized_damerau_levenshtein(last, word) > 0.7)
}

/// The text with an asterisk for every byte of a secret: of the values of keys that [`is_secret`] names, and of user names
/// and passwords in URLs. Works line by line, so that it also masks what cannot be parsed.
pub fn masked(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    // How far the key is indented whose value goes on in the next lines.
    let mut continued: Option<usize> = None;
    let mut lines = source.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        continued = continued.filter(|key| line.trim().is_empty() || indent > *key);
        if continued.is_some() {
            mask(line, 0, line.len(), &mut text);
            continue;
        }
        let place = secret_in(line);
        match place.filter(|(start, _)| {
            !(line[*start..].trim().is_empty() && lines.peek().is_some_and(|next| begins_input(next)))
        }) {
            Some((start, end)) => {
                mask(line, start, end, &mut text);
                let begins_line = line[..start].matches(':').count() == 1 && !line[..start].contains(['{', '[', ',']);
                continued = begins_line.then_some(indent);
            }
            None => text.push_str(&mask_user_of_url(line)),
        }
    }
    text
}

/// Whether this is the first line of an input: the input `password_changes` is no secret.
fn begins_input(line: &str) -> bool {
    let keys = ["topic:", "kind:", "format:", "event_time:", "where:", "fields:"];
    keys.iter().any(|key| line.trim_start().starts_with(key))
}

/// The place of the secret value in a line. What follows it in a flow mapping may be masked, too.
fn secret_in(line: &str) -> Option<(usize, usize)> {
    line.match_indices(':').find_map(|(colon, _)| {
        let before = line[..colon].trim_end_matches(['"', '\'', ' ']);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let key = &before[before.trim_end_matches(is_part).len()..];
        let rest = &line[colon + 1..];
        let start = colon + 1 + (rest.len() - rest.trim_start().len());
        (is_secret(key) && !is_variable(&line[start..])).then(|| (start.min(line.len()), end_of_value(line, start)))
    })
}

/// Whether a value is that of a variable, without a default that may be a secret.
fn is_variable(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    value.starts_with("${") && value.find('}').is_some_and(|end| !value[..end].contains(":-"))
}

/// Where the value that begins at `start` ends at the latest: before the next key of the same line, or at its end.
fn end_of_value(line: &str, start: usize) -> usize {
    let rest = line.get(start..).unwrap_or_default();
    let next_key = rest.match_indices(", ").find(|(comma, _)| {
        let after = rest[comma + 2..].trim_start_matches(['"', '\'']);
        let name = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "._-".contains(c));
        name.len() < after.len() && name.trim_start_matches(['"', '\'']).starts_with(':')
    });
    next_key.map_or(line.len(), |(comma, _)| start + comma)
}

/// `https://user:password@host` with a masked user and password.
fn mask_user_of_url(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut from = 0;
    for (scheme, _) in line.match_indices("://") {
        let start = scheme + 3;
        let is_end = |c: char| c == '/' || c == '"' || c == '\'' || c.is_whitespace();
        let authority = line[start..]
            .find(is_end)
            .map_or(&line[start..], |end| &line[start..start + end]);
        if let Some(at) = authority
            .rfind('@')
            .filter(|_| start >= from && !is_variable(authority))
        {
            text.push_str(&line[from..start]);
            text.push_str(&"*".repeat(at));
            from = start + at;
        }
    }
    text.push_str(&line[from..]);
    text
}

/// Appends a line with asterisks for the bytes from `start` to `end`. Line breaks stay.
fn mask(line: &str, start: usize, end: usize, text: &mut String) {
    text.push_str(&line[..start]);
    let secret = &line[start..end];
    let length = secret.trim_end_matches(['\n', '\r']).len();
    text.push_str(&"*".repeat(length));
    text.push_str(&secret[length..]);
    text.push_str(&line[end..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_moves() {
        for (source, expected) in [
            (
                "  sasl.pasword: hunter2\n  sasl.username: me\n",
                "  sasl.pasword: *******\n  sasl.username: me\n",
            ),
            (
                "  sasl.password: hunter2\n  a: b\n",
                "  sasl.password: *******\n  a: b\n",
            ),
            ("sasl.password: \"hü, }\"\n", "sasl.password: ********\n"),
            (
                "{sasl.username: me, sasl.password: hunter2, client.id: x}",
                "{sasl.username: me, sasl.password: *******, client.id: x}",
            ),
            ("{\"sasl.password\":\"hunter2\"}\n", "{\"sasl.password\":**********\n"),
            ("password: ${PASSWORD}\n", "password: ${PASSWORD}\n"),
            ("password: ${PASSWORD:-hunter2}\n", "password: ********************\n"),
            (
                "ssl.key.pem: |\n  -----BEGIN\n  abc\nnext: 1\n",
                "ssl.key.pem: *\n************\n*****\nnext: 1\n",
            ),
            ("  password: a\n    b\n  user: c\n", "  password: *\n*****\n  user: c\n"),
            ("url: http://me:pass@host/path\n", "url: http://*******@host/path\n"),
            ("password:\n", "password:\n"),
            ("password:\n  value: a\n", "password:\n**********\n"),
            (
                "password_changes:\n  topic: a\n  id: b\n",
                "password_changes:\n  topic: a\n  id: b\n",
            ),
            ("secret:\n  key: a\n", "secret:\n********\n"),
            ("password", "password"),
            ("key_env: SECRET\n", "key_env: SECRET\n"),
            ("key: customer_id\n", "key: customer_id\n"),
        ] {
            let text = masked(source);
            assert_eq!(text, expected);
            assert_eq!(text.len(), source.len());
        }
    }
}
