//! The values of a JSON array, or of a text of several values, one by one: their bytes, without decoding them.

use std::io::{self, BufRead};

/// A longer value is an error in the file, such as a quotation mark that is never closed.
const MAX_BYTES: usize = 64 << 20;

/// What follows in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A value.
    Value,
    /// Nothing more.
    End,
    /// Text in which values cannot be told apart, and why.
    Broken(&'static str),
}

/// How far a value has been read.
#[derive(Default)]
struct Scanner {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Scanner {
    /// Takes a byte of a value; whether the value ends with it.
    fn ends_with(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_text => self.is_escaped = true,
            b'"' if self.in_text => {
                self.in_text = false;
                return self.depth == 0;
            }
            _ if self.in_text => {}
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }

    /// Whether a value without brackets and quotation marks ends before this byte.
    fn ends_before(&self, byte: u8) -> bool {
        self.depth == 0 && !self.in_text && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']'))
    }
}

/// Reads the next value into `value`. In an array its first bracket has been read.
pub(super) fn next_value(text: &mut dyn BufRead, in_array: bool, value: &mut Vec<u8>) -> io::Result<Found> {
    value.clear();
    let mut scanner = Scanner::default();
    loop {
        let chunk = text.fill_buf()?;
        if chunk.is_empty() {
            return Ok(at_the_end(&scanner, in_array, value));
        }
        let mut used = 0;
        for &byte in chunk {
            if value.is_empty() && (byte.is_ascii_whitespace() || (in_array && byte == b',')) {
                used += 1;
                continue;
            }
            if value.is_empty() && in_array && byte == b']' {
                text.consume(used + 1);
                return after_the_array(text);
            }
            if !value.is_empty() && scanner.ends_before(byte) {
                text.consume(used);
                return Ok(Found::Value);
            }
            used += 1;
            value.push(byte);
            if scanner.ends_with(byte) {
                text.consume(used);
                return Ok(Found::Value);
            }
        }
        text.consume(used);
        if value.len() > MAX_BYTES {
            return Ok(Found::Broken("a value of more than 64 MiB"));
        }
    }
}

fn at_the_end(scanner: &Scanner, in_array: bool, value: &[u8]) -> Found {
    match (in_array, value.is_empty()) {
        (true, _) => Found::Broken("the array does not end: the file is cut off"),
        (false, true) => Found::End,
        (false, false) if scanner.depth > 0 || scanner.in_text => {
            Found::Broken("the last value does not end: the file is cut off")
        }
        (false, false) => Found::Value,
    }
}

fn after_the_array(text: &mut dyn BufRead) -> io::Result<Found> {
    loop {
        let chunk = text.fill_buf()?;
        if chunk.is_empty() {
            return Ok(Found::End);
        }
        if !chunk.trim_ascii().is_empty() {
            return Ok(Found::Broken("text after the end of the array"));
        }
        let length = chunk.len();
        text.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn values(text: &str, in_array: bool) -> (Vec<String>, Found) {
        // A small buffer, so that values lie across its borders.
        let mut text = BufReader::with_capacity(3, text.as_bytes());
        let (mut values, mut value) = (Vec::new(), Vec::new());
        loop {
            match next_value(&mut text, in_array, &mut value).unwrap() {
                Found::Value => values.push(String::from_utf8(value.clone()).unwrap()),
                found => return (values, found),
            }
        }
    }

    #[test]
    fn arrays() {
        let broken = Found::Broken("the array does not end: the file is cut off");
        for (text, expected, end) in [
            ("]", &[][..], Found::End),
            ("{}]", &["{}"], Found::End),
            (" {\"a\":[1,{}]} ,\n{} ] \n", &["{\"a\":[1,{}]}", "{}"], Found::End),
            (
                r#"{"a":"}]\"\\"},{"b":1}]"#,
                &[r#"{"a":"}]\"\\"}"#, r#"{"b":1}"#],
                Found::End,
            ),
            ("1,\"a,]\" ,null,-2]", &["1", "\"a,]\"", "null", "-2"], Found::End),
            ("{\"a\":},{}]", &["{\"a\":}", "{}"], Found::End),
            ("{},{", &["{}"], broken),
            ("{}]}", &["{}"], Found::Broken("text after the end of the array")),
        ] {
            let (found, found_end) = values(text, true);
            assert_eq!(found, expected, "{text}");
            assert_eq!(found_end, end, "{text}");
        }
    }

    #[test]
    fn values_one_after_the_other() {
        let (found, end) = values("{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", false);
        assert_eq!(found, ["{\n \"a\": 1\n}", "{\n \"a\": 2\n}"]);
        assert_eq!(end, Found::End);
        let (found, end) = values("{} {\"a\":", false);
        assert_eq!(found, ["{}"]);
        assert_eq!(end, Found::Broken("the last value does not end: the file is cut off"));
    }
}
