//! Join tokens, as kubeadm writes them: `abcdef.0123456789abcdef`, a public id and a secret.
//!
//! A token is kept where Kubernetes keeps bootstrap tokens, in the Secret `bootstrap-token-<id>` in `kube-system`,
//! with its expiry; this crate only makes tokens and compares them. Keeps: the secret is not shown by `Debug`, and
//! comparing takes the same time wherever the difference is.

use std::{fmt, str::FromStr};

use crate::{Error, Result};

const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A join token.
#[derive(Clone)]
pub struct Token {
    /// Both parts with the dot between them.
    text: String,
}

impl Token {
    /// A new token.
    pub fn generate() -> Result<Token> {
        let mut text = String::with_capacity(ID_LENGTH + 1 + SECRET_LENGTH);
        push_random(&mut text, ID_LENGTH)?;
        text.push('.');
        push_random(&mut text, SECRET_LENGTH)?;
        Ok(Token { text })
    }

    /// The part that names the token; no secret.
    pub fn id(&self) -> &str {
        &self.text[..ID_LENGTH]
    }

    /// The part that proves the right to join.
    pub fn secret(&self) -> &str {
        &self.text[ID_LENGTH + 1..]
    }

    /// Whether this token has the secret that is on record for its id.
    pub fn has_secret(&self, recorded: &[u8]) -> bool {
        let secret = self.secret().as_bytes();
        let difference = secret.iter().zip(recorded).fold(0, |difference, (a, b)| difference | (a ^ b));
        // Its length is no secret.
        std::hint::black_box(difference) == 0 && secret.len() == recorded.len()
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Token> {
        let is_part =
            |part: &str, length| part.len() == length && part.bytes().all(|byte| ALPHABET.contains(&byte));
        match text.split_once('.') {
            Some((id, secret)) if is_part(id, ID_LENGTH) && is_part(secret, SECRET_LENGTH) => {
                Ok(Token { text: text.to_owned() })
            }
            _ => Err(Error::Token),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id())
    }
}

/// Appends characters that are all equally likely.
fn push_random(text: &mut String, length: usize) -> Result<()> {
    // Bytes from here on would make some characters likelier than others.
    let fair = 256 / ALPHABET.len() * ALPHABET.len();
    let end = text.len() + length;
    let mut bytes = [0; 32];
    while text.len() < end {
        getrandom::fill(&mut bytes).map_err(|error| Error::Crypto(error.to_string()))?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|number| *number < fair);
        text.extend(fair.take(end - text.len()).map(|number| char::from(ALPHABET[number % ALPHABET.len()])));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_token_reads_back_and_proves_its_secret_only() {
        let token = Token::generate().unwrap();
        let read: Token = token.to_string().parse().unwrap();
        assert_eq!((read.id(), read.secret()), (token.id(), token.secret()));
        assert!(read.has_secret(token.secret().as_bytes()));
        assert_ne!(Token::generate().unwrap().to_string(), token.to_string());
        for wrong in ["", &token.secret()[1..], &format!("{}x", token.secret()), "0123456789abcdef"] {
            assert!(!token.has_secret(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(token.secret()));
    }

    #[test]
    fn every_character_occurs() {
        let text: String = (0..100).map(|_| Token::generate().unwrap().to_string()).collect();
        assert!(ALPHABET.iter().all(|byte| text.contains(char::from(*byte))));
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        for text in [
            "",
            "abcdef",
            "abcdef.",
            "abcde.0123456789abcdef",
            "abcdef.0123456789abcdeF",
            "ábcde.0123456789abcdef",
            "abcdef.0123456789abcdef.x",
            "abcdef 0123456789abcdef",
        ] {
            assert!(text.parse::<Token>().is_err(), "{text:?}");
        }
        let token: Token = "abcdef.0123456789abcdef".parse().unwrap();
        assert_eq!((token.id(), token.secret()), ("abcdef", "0123456789abcdef"));
    }
}
