//! TLS 1.3 to the server, which is known by the line's own authority and by nothing else.
//!
//! One of everything: X25519, ChaCha20-Poly1305, Ed25519. Both ends come out of one build, so there is nothing to
//! choose between, and each algorithm more would have to fit into every initrd.

use crate::digest::Sha256;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms, ring,
    verify_tls13_signature,
};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SignatureVerificationAlgorithm, UnixTime,
};
use rustls::sign::SigningKey;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme, StreamOwned, version,
};
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// What certificates are verified with.
const ALGORITHMS: WebPkiSupportedAlgorithms =
    WebPkiSupportedAlgorithms { all: VERIFIERS, mapping: &[(SignatureScheme::ED25519, VERIFIERS)] };
const VERIFIERS: &[&dyn SignatureVerificationAlgorithm] = &[webpki::ring::ED25519];
/// The time at which certificates are looked at, since 1970: a moment of their validity, which has no end. The clock
/// of a box that lay in a store for years, or has an empty battery, is no reason not to install it.
const LOOKED_AT: Duration = Duration::from_secs(1_700_000_000);

/// Puts TLS around connections to `https://`.
#[derive(Debug)]
pub(super) struct Tls(Result<Arc<ClientConfig>, Error>);

impl Tls {
    /// Trusts servers with a certificate of the authority whose own certificate has this SHA-256.
    pub(super) fn trusting(authority: [u8; 32]) -> Tls {
        let provider = CryptoProvider {
            cipher_suites: vec![ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
            kx_groups: vec![ring::kx_group::X25519],
            signature_verification_algorithms: ALGORITHMS,
            secure_random: &Kernel,
            key_provider: &NoKey,
        };
        let versions = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13]);
        Tls(versions.map(|builder| {
            let verifier = Arc::new(Authority(authority));
            let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
            let mut config = builder.with_no_client_auth();
            config.resumption = Resumption::disabled();
            Arc::new(config)
        }))
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, Sealed>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let failed = |error: Error| ureq::Error::Other(Box::new(error));
        let config = self.0.clone().map_err(failed)?;
        let host = details.uri.host().unwrap_or_default().to_owned();
        let name = ServerName::try_from(host).map_err(|_| ureq::Error::HostNotFound)?;
        let mut connection = ClientConnection::new(config, name).map_err(failed)?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(Sealed { buffers, stream: StreamOwned::new(connection, socket) })))
    }
}

/// A connection with TLS around it.
pub(super) struct Sealed {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed")
    }
}

impl Transport for Sealed {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// The line's authority, by the SHA-256 of its certificate. A server sends that certificate behind its own.
#[derive(Debug)]
struct Authority([u8; 32]);

impl Authority {
    fn vouches(
        &self,
        server: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Result<(), CertificateError> {
        let known = others.iter().find(|other| Sha256::digest(other) == self.0);
        let authority = known.ok_or(CertificateError::UnknownIssuer)?;
        let anchor = anchor_from_trusted_cert(authority).map_err(|_| CertificateError::BadEncoding)?;
        let certificate = EndEntityCert::try_from(server).map_err(|_| CertificateError::BadEncoding)?;
        certificate
            .verify_for_usage(
                VERIFIERS,
                &[anchor],
                &[],
                UnixTime::since_unix_epoch(LOOKED_AT),
                KeyUsage::server_auth(),
                None,
                None,
            )
            .map_err(|_| CertificateError::BadSignature)?;
        certificate.verify_is_valid_for_subject_name(name).map_err(|_| CertificateError::NotValidForName)
    }
}

impl ServerCertVerifier for Authority {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.vouches(server, others, name).map_err(Error::InvalidCertificate)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, server, signature, &ALGORITHMS)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

/// Random numbers of the kernel. They are waited for: a box that has just started may have none for a moment.
#[derive(Debug)]
struct Kernel;

impl SecureRandom for Kernel {
    fn fill(&self, mut room: &mut [u8]) -> Result<(), GetRandomFailed> {
        while !room.is_empty() {
            let count = rustix::rand::getrandom(&mut *room, rustix::rand::GetRandomFlags::empty())
                .map_err(|_| GetRandomFailed)?;
            room = room.get_mut(count..).ok_or(GetRandomFailed)?;
        }
        Ok(())
    }
}

/// A box has no certificate of its own: it shows its session.
#[derive(Debug)]
struct NoKey;

impl KeyProvider for NoKey {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("a box has no key".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sealed as Road;
    use super::*;
    use model::boot::Identity;
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ED25519,
        SanType,
    };
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection};
    use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};

    /// A server with a certificate for `name`, by an authority of its own; the authority's digest.
    fn server(name: Ipv4Addr) -> (ServerConfig, [u8; 32]) {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(name.into())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let chain = vec![certificate.der().clone(), authority.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        (config, Sha256::digest(authority.der()))
    }

    /// What a box gets that was told of `authority`, from a server on this machine.
    fn fetched(config: ServerConfig, authority: [u8; 32]) -> Result<String, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { panic!() };
        std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            // A client that does not trust it hangs up.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        });
        let identity = Identity { https_port: address.port(), authority };
        let road = Road::with(ureq::config::Config::default(), Some(identity));
        let url = road.url(SocketAddrV4::new(*address.ip(), 80), "/api/report");
        let mut answer = road.client.get(url).call().map_err(|error| error.to_string())?;
        answer.body_mut().read_to_string().map_err(|error| error.to_string())
    }

    /// A box tells its secrets to the server of its line, and to nobody who only sits at its address.
    #[test]
    fn only_the_lines_server_is_trusted() {
        let (config, authority) = server(Ipv4Addr::LOCALHOST);
        assert_eq!(fetched(config, authority).unwrap(), "ok");
        let (stranger, _) = server(Ipv4Addr::LOCALHOST);
        let said = fetched(stranger, authority).unwrap_err();
        assert_eq!(said, "io: invalid peer certificate: UnknownIssuer");
        let (elsewhere, authority) = server(Ipv4Addr::new(10, 77, 0, 1));
        let said = fetched(elsewhere, authority).unwrap_err();
        assert!(said.starts_with("io: invalid peer certificate: "), "{said}");
    }
}
