//! Who this server is: one key that people pin, made at the first run, or that of a certificate
//! which an authority issued.
//!
//! The key outlives everything; the certificate around it is only the form that TLS wants. It is
//! kept too, because a browser guest accepts one certificate and should not be asked again after
//! every start.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use snug_protocol::Pin;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::{Error, TlsFiles};

const KEY_FILE: &str = "identity.key";
const CERTIFICATE_FILE: &str = "identity.crt";

/// Holds the server's key and its certificate. Has no Debug: it is a secret.
pub struct Identity {
    /// Ours, and those of its issuers if it has any.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pin: Pin,
    issued_for: Option<String>,
}

impl Identity {
    /// Loads the identity from `data_dir`, or makes it there at the first run. Several servers
    /// that start at once on one folder end with one identity.
    ///
    /// # Errors
    /// [`Error::IdentityFile`] when the folder cannot be read or written,
    /// [`Error::IdentityDamaged`] when the key file holds something else. A damaged key is never
    /// replaced silently.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, Error> {
        let folder = Folder(data_dir);
        folder.create()?;
        let path = data_dir.join(KEY_FILE);
        let key = match folder.read(KEY_FILE)? {
            Some(pem) => parse_key(&path, &pem)?,
            None => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
                    .map_err(|error| damaged(&path, error.to_string()))?;
                match folder.write_new(KEY_FILE, key.serialize_pem().as_bytes())? {
                    true => key,
                    // Another server was first.
                    false => {
                        let pem = folder.read(KEY_FILE)?.unwrap_or_default();
                        parse_key(&path, &pem)?
                    }
                }
            }
        };
        let certificate = match folder.read(CERTIFICATE_FILE)? {
            Some(pem) => certificate_of(&pem, &key),
            None => None,
        };
        let certificate = match certificate {
            Some(certificate) => certificate,
            None => {
                let made = certify(&key).map_err(|error| damaged(&path, error.to_string()))?;
                folder.replace(CERTIFICATE_FILE, made.pem().as_bytes())?;
                made.der().clone()
            }
        };
        let pin = pin_of(&certificate)
            .ok_or_else(|| damaged(&data_dir.join(CERTIFICATE_FILE), "it has no key".into()))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Identity {
            chain: vec![certificate],
            key,
            pin,
            issued_for: None,
        })
    }

    /// Loads a certificate that an authority issued, and its key. People pin this key then, so
    /// that there is one identity however the server is called.
    ///
    /// # Errors
    /// [`Error::IssuedCertificate`] when a file cannot be read, holds something else, or the two
    /// do not belong together.
    pub fn load_issued(files: &TlsFiles) -> Result<Self, Error> {
        let unusable = |path: &Path, reason: String| Error::IssuedCertificate {
            path: path.to_owned(),
            reason,
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| unusable(&files.certificate, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| unusable(&files.key, error.to_string()))?;
        let leaf = chain.first();
        let pin = leaf.and_then(pin_of);
        let pin =
            pin.ok_or_else(|| unusable(&files.certificate, "it holds no certificate".to_owned()))?;
        let issued_for = leaf.and_then(name_of_issued);
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(|error| unusable(&files.key, error.to_string()))?;
        Ok(Identity {
            chain,
            key,
            pin,
            issued_for,
        })
    }

    /// Returns a name or address by which the certificate of an authority calls this server; none
    /// for a certificate of our own, which no browser trusts by itself.
    pub fn issued_for(&self) -> Option<&str> {
        self.issued_for.as_deref()
    }

    /// Returns what people pin: SHA-256 of the key's SubjectPublicKeyInfo.
    pub fn pin(&self) -> Pin {
        self.pin
    }
}

/// Returns the pin of a certificate, or `None` if it is no certificate.
pub fn pin_of(certificate: &CertificateDer<'_>) -> Option<Pin> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let hash = digest(&SHA256, parsed.public_key().raw);
    let hash: [u8; 32] = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
    Some(Pin::new(hash))
}

/// Returns the first name, else the first address, that a certificate is good for, unless it was
/// issued by itself. A name with a wildcard is none that can be called.
fn name_of_issued(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    if parsed.issuer() == parsed.subject() {
        return None;
    }
    let names = parsed.subject_alternative_name().ok().flatten()?;
    let names = &names.value.general_names;
    let name = names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) if !name.contains('*') => Some((*name).to_owned()),
        _ => None,
    });
    name.or_else(|| {
        names.iter().find_map(|name| match name {
            GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
            GeneralName::IPAddress(octets) => {
                let octets = <[u8; 16]>::try_from(*octets).ok()?;
                Some(format!("[{}]", Ipv6Addr::from(octets)))
            }
            _ => None,
        })
    })
}

fn parse_key(path: &Path, pem: &str) -> Result<KeyPair, Error> {
    KeyPair::from_pem(pem).map_err(|error| damaged(path, error.to_string()))
}

/// Reads a certificate if it is one, and of this key.
fn certificate_of(pem: &str, key: &KeyPair) -> Option<CertificateDer<'static>> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
    let same_key = parsed.public_key().subject_public_key.data == key.public_key_raw();
    same_key.then_some(certificate)
}

fn certify(key: &KeyPair) -> Result<rcgen::Certificate, rcgen::Error> {
    let mut params = CertificateParams::new(["localhost".to_owned(), "snug.local".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Snug");
    params.self_signed(key)
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::IdentityDamaged {
        path: path.to_owned(),
        reason,
    }
}

/// The data folder, with the care that secrets need.
struct Folder<'a>(&'a Path);

impl Folder<'_> {
    fn create(&self) -> Result<(), Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(self.0)
            .map_err(|source| failed(self.0, source))
    }

    /// Reads a file; `None` if there is none. A key that others may read is closed to them.
    fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                if name == KEY_FILE {
                    restrict(&path).map_err(|source| failed(&path, source))?;
                }
                Ok(Some(text))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(damaged(&path, "it is not text".into()))
            }
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Writes a file that must not exist yet. Returns false if it does.
    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<bool, Error> {
        let path = self.0.join(name);
        let draft = self.draft(name, bytes)?;
        // A link appears whole or not at all and never replaces anything; a rename would.
        let made = match fs::hard_link(&draft, &path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // No links on this file system (FAT): the race is open, the file still whole.
            Err(_) => fs::copy(&draft, &path).map(|_| true),
        };
        fs::remove_file(&draft).map_err(|source| failed(&draft, source))?;
        made.map_err(|source| failed(&path, source))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let draft = self.draft(name, bytes)?;
        let path = self.0.join(name);
        fs::rename(&draft, &path).map_err(|source| failed(&path, source))
    }

    /// Writes a file under a name of its own, readable by its owner only.
    fn draft(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        let path = self
            .0
            .join(format!("{name}.{:016x}", rand::random::<u64>()));
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|source| failed(&path, source))?;
        Ok(path)
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::IdentityFile {
        path: path.to_owned(),
        source,
    }
}

#[cfg(unix)]
fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!("the identity could be read by other users of this computer; closing it");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let first = Identity::load_or_create(&data).unwrap();
        let second = Identity::load_or_create(&data).unwrap();
        assert_eq!(first.pin(), second.pin());
        assert_eq!(first.chain, second.chain);
        assert_eq!(
            fs::read_dir(&data).unwrap().count(),
            2,
            "no drafts stay behind"
        );
    }

    #[test]
    fn the_pin_is_the_hash_of_the_public_key_info() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(folder.path()).unwrap();
        let pem = fs::read_to_string(folder.path().join(KEY_FILE)).unwrap();
        let key = KeyPair::from_pem(&pem).unwrap();
        let public = CertificateDer::from_pem_slice(
            key.public_key_pem()
                .replace("PUBLIC KEY", "CERTIFICATE")
                .as_bytes(),
        );
        let hash = digest(&SHA256, &public.unwrap());
        assert_eq!(identity.pin().as_bytes(), hash.as_ref());
    }

    #[test]
    fn a_lost_or_foreign_certificate_is_made_again_with_the_same_pin() {
        let folder = tempfile::tempdir().unwrap();
        let pin = Identity::load_or_create(folder.path()).unwrap().pin();
        let other = tempfile::tempdir().unwrap();
        Identity::load_or_create(other.path()).unwrap();
        fs::copy(
            other.path().join(CERTIFICATE_FILE),
            folder.path().join(CERTIFICATE_FILE),
        )
        .unwrap();
        assert_eq!(Identity::load_or_create(folder.path()).unwrap().pin(), pin);
        fs::write(folder.path().join(CERTIFICATE_FILE), "nonsense").unwrap();
        assert_eq!(Identity::load_or_create(folder.path()).unwrap().pin(), pin);
        fs::remove_file(folder.path().join(CERTIFICATE_FILE)).unwrap();
        assert_eq!(Identity::load_or_create(folder.path()).unwrap().pin(), pin);
    }

    #[test]
    fn a_damaged_key_is_an_error_and_stays() {
        for damage in [&b"nonsense"[..], b"", b"\xff\xfe"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(KEY_FILE);
            fs::write(&path, damage).unwrap();
            assert!(matches!(
                Identity::load_or_create(folder.path()),
                Err(Error::IdentityDamaged { .. })
            ));
            assert_eq!(fs::read(&path).unwrap(), damage);
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Identity::load_or_create(folder.path()).unwrap();
        let path = folder.path().join(KEY_FILE);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Identity::load_or_create(folder.path()).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn servers_that_start_together_agree() {
        let folder = tempfile::tempdir().unwrap();
        let pins: Vec<Pin> = std::thread::scope(|scope| {
            let make = || Identity::load_or_create(folder.path()).unwrap().pin();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(pins.iter().all(|pin| *pin == pins[0]));
    }

    /// A certificate for these names, issued by itself or by an authority.
    fn certificate(names: &[&str], is_self_signed: bool) -> CertificateDer<'static> {
        let named = |name: &str, alternatives: &[&str]| {
            let alternatives: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(alternatives).unwrap();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let key = KeyPair::generate().unwrap();
        let params = named("server", names);
        let made = match is_self_signed {
            true => params.self_signed(&key),
            false => {
                let authority = named("authority", &[]);
                params.signed_by(&key, &rcgen::Issuer::from_params(&authority, &key))
            }
        };
        made.unwrap().der().clone()
    }

    #[test]
    fn a_certificate_names_its_server_only_if_an_authority_says_so() {
        let table: &[(&[&str], Option<&str>)] = &[
            (&["rooms.example"], Some("rooms.example")),
            (&["*.example", "rooms.example"], Some("rooms.example")),
            (&["192.0.2.7", "rooms.example"], Some("rooms.example")),
            (&["192.0.2.7"], Some("192.0.2.7")),
            (&["2001:db8::7"], Some("[2001:db8::7]")),
            (&["*.example", "192.0.2.7"], Some("192.0.2.7")),
            (&["*.example"], None),
            (&[], None),
        ];
        for (names, expected) in table {
            let found = name_of_issued(&certificate(names, false));
            assert_eq!(found.as_deref(), *expected, "{names:?}");
            assert_eq!(name_of_issued(&certificate(names, true)), None, "{names:?}");
        }
        assert_eq!(name_of_issued(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
