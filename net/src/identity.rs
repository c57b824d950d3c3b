//! Who is at the other end: ed25519 keys, proved by TLS 1.3 with raw public keys (RFC 7250).

use std::sync::Arc;

use parking_lot::RwLock;
use quinn::Connection;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme, version,
};
use zeroize::Zeroize;

/// A PKCS #8 version 1 ed25519 private key (RFC 8410, section 7) up to its 32 bytes of seed.
const PKCS8_PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// An ed25519 SubjectPublicKeyInfo (RFC 8410, section 4) up to its 32 bytes of key.
const SPKI_PREFIX: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The ed25519 public key that belongs to a seed (RFC 8032, section 5.1.5).
pub fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    key_of_spki(spki_of(&*signing_key(seed)).as_ref()).expect("ring encodes an ed25519 key as RFC 8410 says")
}

/// Which keys the other end may have.
#[derive(Debug, Clone)]
pub(crate) enum Accepted {
    /// Any ed25519 key; the handshake still proves that the other end holds it.
    Any,
    /// One of these.
    Among(Vec<[u8; 32]>),
    /// One of those that stand in the list when it is looked at: whose key is taken out opens no connection any more.
    Listed(Arc<RwLock<Vec<[u8; 32]>>>),
}

impl Accepted {
    fn check(&self, presented: &CertificateDer<'_>) -> Result<(), Error> {
        let key = key_of_spki(presented).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match self {
            Self::Any => Ok(()),
            Self::Among(keys) if keys.contains(&key) => Ok(()),
            Self::Listed(keys) if keys.read().contains(&key) => Ok(()),
            Self::Among(_) | Self::Listed(_) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }
}

/// The TLS side of a listening endpoint: proves `seed`'s key, lets `accepted` keys in.
pub(crate) fn server_tls(seed: &[u8; 32], accepted: Accepted, alpn: &[u8]) -> rustls::ServerConfig {
    let provider = provider();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])
        .expect("ring has the cipher suites of tls 1.3")
        .with_client_cert_verifier(Arc::new(RawKeyVerifier { accepted, provider }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified_key(seed))));
    tls.alpn_protocols = vec![alpn.to_vec()];
    // No tickets, so no resumption and no 0-RTT: every connection proves its key afresh.
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    tls
}

/// The TLS side of a dialling endpoint: proves `seed`'s key, insists on one of the `accepted` keys.
pub(crate) fn client_tls(seed: &[u8; 32], accepted: Accepted, alpn: &[u8]) -> rustls::ClientConfig {
    let provider = provider();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])
        .expect("ring has the cipher suites of tls 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RawKeyVerifier { accepted, provider }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified_key(seed))));
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    tls.enable_early_data = false;
    tls.enable_sni = false;
    tls
}

/// The key the other end of an established connection has proved.
pub(crate) fn remote_key(connection: &Connection) -> Option<[u8; 32]> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    key_of_spki(identity.first()?)
}

/// Checks the other end's raw public key against the accepted ones, and its signature over the handshake.
#[derive(Debug)]
struct RawKeyVerifier {
    accepted: Accepted,
    provider: Arc<CryptoProvider>,
}

impl RawKeyVerifier {
    fn verify_signature(
        &self,
        message: &[u8],
        presented: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(presented.as_ref()),
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }
}

impl ServerCertVerifier for RawKeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.accepted.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.accepted.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn signing_key(seed: &[u8; 32]) -> Arc<dyn SigningKey> {
    let mut der = [0; PKCS8_PREFIX.len() + 32];
    der[..PKCS8_PREFIX.len()].copy_from_slice(&PKCS8_PREFIX);
    der[PKCS8_PREFIX.len()..].copy_from_slice(seed);
    let key = rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(&der[..]));
    der.zeroize();
    key.expect("any 32 bytes are an ed25519 seed")
}

fn certified_key(seed: &[u8; 32]) -> Arc<CertifiedKey> {
    let signing_key = signing_key(seed);
    let spki = CertificateDer::from(spki_of(&*signing_key).to_vec());
    Arc::new(CertifiedKey::new(vec![spki], signing_key))
}

fn spki_of(signing_key: &dyn SigningKey) -> SubjectPublicKeyInfoDer<'_> {
    signing_key.public_key().expect("an ed25519 key knows its public half")
}

/// The key of an ed25519 SubjectPublicKeyInfo in its only encoding; anything else is none.
fn key_of_spki(spki: &[u8]) -> Option<[u8; 32]> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_the_one_of_rfc_8032() {
        let seed = *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\
                      \x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
        let key = *b"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\
                     \x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
        assert_eq!(public_key(&seed), key);
    }

    #[test]
    fn a_key_of_another_shape_is_refused() {
        let mut spki = [&SPKI_PREFIX[..], &[7; 32]].concat();
        assert!(Accepted::Any.check(&CertificateDer::from(spki.clone())).is_ok());
        assert!(Accepted::Among(vec![[8; 32]]).check(&CertificateDer::from(spki.clone())).is_err());
        spki.push(0);
        assert!(Accepted::Any.check(&CertificateDer::from(spki.clone())).is_err());
        spki.truncate(43);
        assert!(Accepted::Any.check(&CertificateDer::from(spki)).is_err());
    }
}
