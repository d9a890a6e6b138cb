use tempfile::TempDir;

use super::*;

struct Files {
    folder: TempDir,
}

impl Files {
    /// With a certificate for `localhost`.
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.renew();
        files
    }

    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn config(&self) -> ClientTls {
        ClientTls {
            cert_file: self.path("cert.pem"),
            key_file: self.path("key.pem"),
            ..ClientTls::default()
        }
    }
}

#[test]
fn renewed_files_are_read_and_broken_ones_leave_the_old_certificate() {
    let files = Files::new();
    let tls = ServerTls::new(&files.config()).unwrap().unwrap();
    let first = tls.current();
    assert!(Arc::ptr_eq(&first, &tls.current()));
    files.renew();
    let second = tls.current();
    assert!(!Arc::ptr_eq(&first, &second));
    fs::write(files.path("cert.pem"), "nonsense, and longer than nothing").unwrap();
    assert!(Arc::ptr_eq(&second, &tls.current()));
}

#[test]
fn what_cannot_be_used_is_named_without_the_key() {
    let files = Files::new();
    let error = |change: &dyn Fn(&mut ClientTls)| {
        let mut config = files.config();
        change(&mut config);
        ErrorChain(&ServerTls::new(&config).unwrap_err()).to_string()
    };
    let missing = error(&|config| config.key_file = "/nonexistent/key.pem".to_owned());
    assert!(missing.contains("key_file: cannot read /nonexistent/key.pem"), "{missing}");
    let swapped = error(&|config| config.cert_file = config.key_file.clone());
    assert!(swapped.contains("cert_file: no certificate in"), "{swapped}");
    let swapped = error(&|config| config.key_file = config.cert_file.clone());
    assert!(swapped.contains("key_file:") && swapped.contains("PEM"), "{swapped}");
    let other = Files::new();
    let mixed = error(&|config| config.key_file = other.path("key.pem"));
    assert!(mixed.contains("the certificate and the key cannot be used"), "{mixed}");
    assert!(!mixed.contains("PRIVATE"), "{mixed}");
}

#[test]
fn without_files_there_is_no_tls() {
    assert!(ServerTls::new(&ClientTls::default()).unwrap().is_none());
}
