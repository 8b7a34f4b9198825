//! Passwords as the appliance keeps them: SHA-512 crypt (`$6$…`), which every libc in the field reads in
//! `/etc/shadow` (crypt(5)).
//!
//! Draws no salt: randomness comes in. The console's and the API's answers both go through here.

use sha_crypt::{Params, sha512_crypt};

/// The digits of crypt's own base 64 (crypt(5)); not those of RFC 4648.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The crypt(5) hash of a password. `random` becomes the salt: 16 octets, six bits of each are used.
pub fn crypt(password: &str, random: [u8; 16]) -> String {
    let salt: String = random.iter().map(|octet| digit(u32::from(*octet))).collect();
    crypt_with_salt(password, &salt)
}

/// Whether a text is a crypt(5) hash already: an answer that comes from the server is.
pub fn is_crypted(text: &str) -> bool {
    text.strip_prefix("$6$").is_some_and(|rest| rest.split('$').count() >= 2)
}

fn crypt_with_salt(password: &str, salt: &str) -> String {
    let hash = sha512_crypt(password.as_bytes(), salt.as_bytes(), Params::RECOMMENDED);
    let mut text = format!("$6${salt}$");
    // The order of the octets is the specification's (Drepper, "Unix crypt using SHA-256 and SHA-512", step 22e).
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        push(&mut text, [hash[a], hash[b], hash[c]], 4);
        (a, b, c) = (b + 1, c + 1, a + 1);
    }
    push(&mut text, [0, 0, hash[63]], 2);
    text
}

fn push(text: &mut String, octets: [u8; 3], digits: usize) {
    let mut bits = u32::from_be_bytes([0, octets[0], octets[1], octets[2]]);
    for _ in 0..digits {
        text.push(digit(bits));
        bits >>= 6;
    }
}

fn digit(bits: u32) -> char {
    char::from(DIGITS[(bits & 63) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own vector, as libcrypt and OpenSSL compute it too: one octet out of order, and nobody can log in to any appliance.
    #[test]
    fn the_hash_is_what_libc_reads() {
        let hash = crypt_with_salt("Hello world!", "saltstring");
        let expected = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        assert_eq!(hash, expected);
        assert!(is_crypted(&hash));
        let hash = crypt("correct horse", *b"0123456789abcdef");
        assert_eq!(hash.split('$').nth(2).map(str::len), Some(16));
        for plain in ["", "$6$", "hunter2", "$6$x"] {
            assert!(!is_crypted(plain), "{plain}");
        }
    }
}
