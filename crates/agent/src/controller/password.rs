//! Passwords: hashed at once by SHA-512-crypt, the form that every Linux login of the last fifteen years reads.

use model::failure::{Explain as _, Result};
use sha_crypt::{Params, sha512_crypt};

/// crypt(5)'s own base 64: its alphabet, and three bytes to four characters, least significant first.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash of a password under a fresh salt: `$6$SALT$HASH`.
pub(crate) fn hash(password: &str) -> Result<String> {
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .map_err(std::io::Error::from)
        .or_fail(|| "cannot get random numbers for a password's salt".into())?;
    let salt: Vec<u8> = random.iter().map(|byte| ALPHABET[usize::from(byte & 63)]).collect();
    Ok(hash_with(password, &salt))
}

/// Whether a text is a crypt(5) hash already, so that who answers over the network need not send the password.
pub(crate) fn is_hash(text: &str) -> bool {
    let mut fields = text.split('$');
    let known =
        fields.next() == Some("") && matches!(fields.next(), Some("5" | "6" | "y" | "2b" | "gy" | "7"));
    known && fields.count() >= 2 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

fn hash_with(password: &str, salt: &[u8]) -> String {
    let digest = sha512_crypt(password.as_bytes(), salt, Params::RECOMMENDED);
    let mut text = format!("$6${}$", String::from_utf8_lossy(salt));
    // The bytes are taken 21 apart, and the three columns turn by one from group to group (SHA-crypt
    // specification, step 22 e).
    for group in 0..21 {
        let columns = [group, group + 21, group + 42];
        let [a, b, c] = [columns[group % 3], columns[(group + 1) % 3], columns[(group + 2) % 3]];
        push(&mut text, &[digest[c], digest[b], digest[a]]);
    }
    push(&mut text, &digest[63..]);
    text
}

/// Appends up to three bytes, least significant six bits first.
fn push(text: &mut String, bytes: &[u8]) {
    let number = bytes.iter().rev().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
    for digit in 0..(bytes.len() * 8).div_ceil(6) {
        text.push(char::from(ALPHABET[(number >> (6 * digit)) & 63]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash that no login takes is an appliance that nobody gets into.
    #[test]
    fn the_hash_is_what_crypt_gives() {
        // As `openssl passwd -6 -salt saltstring` prints it.
        assert_eq!(
            hash_with("Hello world!", b"saltstring"),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
        let made = hash("long enough 1").unwrap();
        assert!(is_hash(&made) && made.len() == 3 + 16 + 1 + 86, "{made}");
        assert_ne!(made, hash("long enough 1").unwrap(), "the salt is the same twice");
    }

    /// A password must not pass for a hash, or it would be kept in plain text.
    #[test]
    fn hashes_are_told_from_passwords() {
        let passwords = ["", "hunter2", "$6$", "$6$x", "$1$old$md5", "6$a$b", "$6$a:b$c", "$ $ $", "$x$a$b"];
        assert!(!passwords.iter().any(|text| is_hash(text)));
        assert!(is_hash("$y$j9T$salt$hash") && is_hash("$6$salt$hash"));
    }
}
