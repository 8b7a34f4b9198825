//! SHA-256 (FIPS 180-4), by what TLS brings anyway: the agent travels in every initrd, and two of them would.

/// Octets of a digest.
pub(crate) type Digest = [u8; 32];

/// A digest that grows with what it is shown.
#[derive(Clone)]
pub(crate) struct Sha256(ring::digest::Context);

impl Sha256 {
    /// Of nothing yet.
    pub(crate) fn new() -> Sha256 {
        Sha256(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// Shows it more.
    pub(crate) fn update(&mut self, octets: impl AsRef<[u8]>) {
        self.0.update(octets.as_ref());
    }

    /// What it was shown, in 32 octets.
    pub(crate) fn finalize(self) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }

    /// Of these octets.
    pub(crate) fn digest(octets: impl AsRef<[u8]>) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(octets);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of FIPS 180-4 for `abc`, whatever the pieces: every record and image rests on it.
    #[test]
    fn the_standards_own_example() {
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut hasher = Sha256::new();
        hasher.update("a");
        hasher.update([0x62, 0x63]);
        for digest in [hasher.finalize(), Sha256::digest(b"abc")] {
            assert_eq!(digest.iter().map(|octet| format!("{octet:02x}")).collect::<String>(), wanted);
        }
    }
}
