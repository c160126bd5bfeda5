//! Published pseudonyms: what decisions carry in place of the state's pseudonyms, under a secret of its own. One can be made of
//! the other in both directions, so state, rows and lists need not change when the secret for what is published does.

use crate::pseudonym::{Pseudonymizer, hex32, is_pseudonym};
use crate::value::Value;
use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use compact_str::CompactString;
use std::borrow::Cow;

/// What the key of the cipher is the keyed hash of.
const KEY_OF: &[u8] = b"riskstream: the key of published pseudonyms";

/// Turns pseudonyms of the state into published ones, and back. A pseudonym is 16 bytes, one block of AES-256; the key of the
/// cipher is HMAC-SHA256 of a fixed text under the secret. A block cipher is a bijection: different pseudonyms stay different.
#[derive(Clone)]
pub struct PublishedPseudonyms {
    cipher: Aes256,
    keyed: Pseudonymizer,
}

impl PublishedPseudonyms {
    /// With a secret of any length; 32 random bytes are recommended.
    pub fn new(secret: &[u8]) -> Self {
        let keyed = Pseudonymizer::new(secret);
        PublishedPseudonyms {
            cipher: Aes256::new(&keyed.digest(KEY_OF).into()),
            keyed,
        }
    }

    /// What is published in place of a text that an expression made of pseudonyms. A text around pseudonyms, such as two of
    /// them in one, becomes its keyed hash; one without any stays as it is.
    pub fn publish(&self, text: &str) -> CompactString {
        match bytes(text) {
            Some(block) => {
                let mut block = block.into();
                self.cipher.encrypt_block(&mut block);
                CompactString::from_utf8_lossy(&hex32(&block))
            }
            None if holds_pseudonym(text) => self.keyed.pseudonym(text.as_bytes()),
            None => text.into(),
        }
    }

    /// The state's pseudonym of a published one; `None` if the text is no pseudonym.
    pub fn recover(&self, published: &str) -> Option<CompactString> {
        let mut block = bytes(published)?.into();
        self.cipher.decrypt_block(&mut block);
        Some(CompactString::from_utf8_lossy(&hex32(&block)))
    }

    /// [`PublishedPseudonyms::publish`] of a text, and of the texts in a list.
    pub fn publish_value(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.publish(text)),
            Value::List(values) => Value::List(values.iter().map(|value| self.publish_value(value)).collect()),
            other => other.clone(),
        }
    }

    /// The state's pseudonym in place of a published one; any other text as it is.
    pub fn recover_value<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        match value {
            Value::Text(text) => self
                .recover(text)
                .map_or(Cow::Borrowed(value), |text| Cow::Owned(Value::Text(text))),
            _ => Cow::Borrowed(value),
        }
    }
}

impl std::fmt::Debug for PublishedPseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublishedPseudonyms")
    }
}

/// The 16 bytes of a pseudonym.
fn bytes(text: &str) -> Option<[u8; 16]> {
    let value = is_pseudonym(text).then(|| u128::from_str_radix(text, 16).ok())??;
    Some(value.to_be_bytes())
}

/// Whether 32 hexadecimal digits follow each other in a text.
fn holds_pseudonym(text: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    text.as_bytes().split(|byte| !is_digit(byte)).any(|run| run.len() >= 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PSEUDONYM: &str = "b0344c61d8db38535ca8afceaf0bf12b";

    /// `openssl dgst -sha256 -hmac` for the key, then `openssl enc -aes-256-ecb -nopad`.
    #[test]
    fn known_answer() {
        let published = PublishedPseudonyms::new(b"a secret of 24 bytes, 1.");
        assert_eq!(published.publish(PSEUDONYM), "6041b062cc95d2954e5c3f81bb789f51");
        assert_eq!(
            published.recover("6041b062cc95d2954e5c3f81bb789f51").unwrap(),
            PSEUDONYM
        );
    }

    #[test]
    fn nothing_that_holds_a_pseudonym_is_published_as_it_is() {
        let published = PublishedPseudonyms::new(b"secret");
        for text in ["none", "", "b0344c61", "B0344C61D8DB38535CA8AFCEAF0BF12B", "é"] {
            assert_eq!(published.publish(text), text);
            assert_eq!(published.recover(text), None);
        }
        let two = PSEUDONYM.repeat(2);
        let around = format!("{PSEUDONYM}|shop");
        for text in [PSEUDONYM, &two, &around, &format!("1{PSEUDONYM}")] {
            let shown = published.publish(text);
            assert!(is_pseudonym(&shown) && !shown.contains(PSEUDONYM), "{shown}");
            assert_eq!(published.publish(text), shown);
        }
        let list = Value::List([Value::Text(PSEUDONYM.into()), Value::Null].into());
        let Value::List(shown) = published.publish_value(&list) else {
            panic!("no list")
        };
        assert_eq!(*shown, [Value::Text(published.publish(PSEUDONYM)), Value::Null]);
    }

    #[test]
    fn debug_hides_the_secret() {
        assert_eq!(
            format!("{:?}", PublishedPseudonyms::new(b"secret")),
            "PublishedPseudonyms"
        );
    }
}
