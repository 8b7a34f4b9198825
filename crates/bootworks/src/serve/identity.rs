//! How boxes know this server: the line's own authority, and the certificate that it gives the server.
//!
//! Both follow from the line's key, so nothing more has to be kept: a server that starts again, or in another place, is
//! the same to its boxes. Used by [`super::entrance`] for HTTPS; boxes get the authority's digest with their boot
//! script. See docs/decisions/0052-https.md.

use crate::record::key::PrivateKey;
use model::failure::{Explain as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

/// What the two keys are made with, so that no other use of the line's key makes them too.
const AUTHORITY: &[u8] = b"bootworks authority key";
const SERVER: &[u8] = b"bootworks server key";
/// What stands before the 32 octets of an Ed25519 key in PKCS #8 (RFC 8410 §7).
const ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// Name of the authority's certificate in the state folder.
pub(crate) const FILE: &str = "authority.pem";

/// The authority's certificate, and what the server shows.
pub(crate) struct Credentials {
    authority: CertificateDer<'static>,
    pem: String,
    /// For TLS.
    pub(crate) config: Arc<ServerConfig>,
}

impl Credentials {
    /// Those of a line's key, for the server at this address.
    pub(crate) fn of(key: &PrivateKey, address: Ipv4Addr) -> Result<Credentials> {
        let cannot = || "cannot make the server's certificate".to_owned();
        let (authority_key, _) = pair(key, AUTHORITY)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "bootworks line authority");
        let authority = params.self_signed(&authority_key).or_fail(cannot)?;
        let issuer = Issuer::new(params, authority_key);

        let (server_key, pkcs8) = pair(key, SERVER)?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(address.into())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name.push(DnType::CommonName, "bootworks server");
        let server = params.signed_by(&server_key, &issuer).or_fail(cannot)?;

        let chain = vec![server.der().clone(), authority.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .or_fail(cannot)?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(pkcs8))
            .or_fail(cannot)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (authority, pem) = (authority.der().clone(), authority.pem());
        Ok(Credentials { authority, pem, config: Arc::new(config) })
    }

    /// SHA-256 of the authority's certificate: by it boxes know the server.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.authority).into()
    }

    /// Writes the authority's certificate for people: `curl --cacert`.
    pub(crate) fn publish(&self, state: &Path) -> Result<()> {
        let path = state.join(FILE);
        std::fs::write(&path, &self.pem).or_fail(|| format!("cannot write {}", path.display()))
    }
}

/// A key that follows from the line's.
fn pair(key: &PrivateKey, purpose: &[u8]) -> Result<(KeyPair, PrivatePkcs8KeyDer<'static>)> {
    let pkcs8 = PrivatePkcs8KeyDer::from([&ED25519[..], &key.derive(purpose)].concat());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519)
        .or_fail(|| "cannot make the server's key".into())?;
    Ok((pair, pkcs8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that started again must be the one that its boxes know; another line's must not.
    #[test]
    fn the_authority_is_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| PrivateKey::of_file(&folder.path().join(name)).unwrap();
        let here = Ipv4Addr::new(10, 77, 0, 1);
        let known = Credentials::of(&key("a"), here).unwrap().fingerprint();
        assert_eq!(known, Credentials::of(&key("a"), here).unwrap().fingerprint());
        let elsewhere = Ipv4Addr::new(10, 77, 0, 2);
        assert_eq!(known, Credentials::of(&key("a"), elsewhere).unwrap().fingerprint());
        assert_ne!(known, Credentials::of(&key("b"), here).unwrap().fingerprint());
    }
}
