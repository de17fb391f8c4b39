//! TLS to PostgreSQL as libpq does it, by rustls: what each `sslmode` verifies, the default files in `~/.postgresql`,
//! the client's own certificate. Other servers are asked in the same ways.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fail::{Fail, Kind};
use crate::model::action::own;
use crate::model::url::{Ssl, SslMode};

/// The connector for these settings.
///
/// # Errors
/// `config-invalid` when a certificate file is missing, unreadable or holds no certificate.
pub(super) fn connector(ssl: &Ssl) -> Result<MakeRustlsConnect> {
    let mut config = client_config(ssl)?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// TLS to any server.
///
/// # Errors
/// As [`connector`].
pub fn client_config(ssl: &Ssl) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Verifier {
        chain: chain(ssl, &provider)?,
        name: ssl.mode == SslMode::VerifyFull,
        provider: Arc::clone(&provider),
    });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(match client_certificate(ssl)? {
        Some((certs, key)) => builder.with_client_auth_cert(certs, key).map_err(|error| {
            bad_file(ssl.cert.as_deref().unwrap_or("postgresql.crt"), &format!("does not go with its key: {error}"))
        })?,
        None => builder.with_no_client_auth(),
    })
}

/// What the server's certificate must lead to; `None` when it need not lead anywhere.
fn chain(ssl: &Ssl, provider: &Arc<CryptoProvider>) -> Result<Option<Chain>> {
    let must = ssl.mode >= SslMode::VerifyCa;
    if ssl.mode < SslMode::Require && !ssl.weak_verifies {
        return Ok(None);
    }
    let named = ssl.root_cert.as_deref().filter(|path| must || *path == "system" || Path::new(path).exists());
    let roots = match named {
        Some("system") => system_roots()?,
        Some(path) => certificates(Path::new(path))?,
        None => match default_file(ssl, "root.crt").filter(|_| ssl.root_cert.is_none()) {
            Some(path) => certificates(&path)?,
            None if must => return Err(no_roots().into()),
            None => return Ok(None),
        },
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
    let verifier = verifier.map_err(|error| {
        bad_file(ssl.root_cert.as_deref().unwrap_or("root.crt"), &format!("cannot be used: {error}"))
    })?;
    Ok(Some(Chain { verifier, roots }))
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(bad_file("system", "this machine has no store of root certificates").into());
    }
    Ok(found.certs)
}

fn client_certificate(ssl: &Ssl) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
    let file =
        |named: &Option<String>, default| named.as_ref().map(PathBuf::from).or_else(|| default_file(ssl, default));
    let Some(cert) = file(&ssl.cert, "postgresql.crt") else {
        return Ok(None);
    };
    // A file that holds both is what asyncpg takes when no key is named.
    let key = file(&ssl.key, "postgresql.key").unwrap_or_else(|| cert.clone());
    let private = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| bad_file(&key.display().to_string(), &format!("holds no usable private key: {error}")))?;
    Ok(Some((certificates(&cert)?, private)))
}

fn default_file(ssl: &Ssl, name: &str) -> Option<PathBuf> {
    ssl.home.as_ref().map(|home| home.join(name)).filter(|path| path.is_file())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bad = |reason: &str| bad_file(&path.display().to_string(), reason);
    let certs: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certs| certs.collect()).map_err(|error| bad(&error.to_string()));
    let certs = certs?;
    if certs.is_empty() {
        return Err(bad("holds no certificate").into());
    }
    Ok(certs)
}

fn bad_file(path: &str, reason: &str) -> Fail {
    Fail::new(Kind::ConfigInvalid, "A TLS certificate cannot be used")
        .details(format!("{path}: {reason}"))
        .action("Correct sslrootcert, sslcert or sslkey in the database configuration")
        .related(own("doctor"))
}

fn no_roots() -> Fail {
    Fail::new(Kind::ConfigInvalid, "No root certificate to verify the database server with")
        .details("sslmode is verify-ca or verify-full, but there is no sslrootcert and no ~/.postgresql/root.crt")
        .action("Name the file (sslrootcert=…), or use this machine's store: sslrootcert=system")
        .related(own("doctor"))
}

#[derive(Debug)]
struct Chain {
    verifier: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
}

impl Chain {
    /// Whether the certificate leads to a root, whatever its name.
    fn verify(
        &self,
        cert: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        // A self-signed certificate that is named as its own root is usual for PostgreSQL; webpki would refuse it for
        // being no end-entity certificate.
        if self.roots.iter().any(|root| root == cert) {
            return Ok(());
        }
        match self.verifier.verify_server_cert(cert, between, name, &[], now) {
            // The chain is checked before the name, so what is left here is only the name.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ))
            | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[derive(Debug)]
struct Verifier {
    chain: Option<Chain>,
    name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify(cert, between, name, now)?;
        }
        if self.name {
            verify_server_name(&ParsedCertificate::try_from(cert)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
