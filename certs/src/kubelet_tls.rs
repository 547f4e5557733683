//! TLS towards kubelets, and towards what pods and services serve over HTTPS.
//!
//! The API server proves itself to kubelets by its client certificate, which they check against the cluster's authority. A
//! kubelet makes its serving certificate for itself unless told otherwise, so it is checked only when there is an authority to
//! check it against, as in kube-apiserver.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::{Resumption, WantsClientCert},
    crypto::ring,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{Error, Result, current::Current, join_tls, leaf::Issued};

/// The TLS configurations for connections that the API server opens on behalf of its clients.
#[derive(Debug)]
pub struct KubeletTls {
    kubelets: Arc<ClientConfig>,
    unchecked_kubelets: Arc<ClientConfig>,
    others: Arc<ClientConfig>,
    current: Arc<Current>,
}

impl KubeletTls {
    pub(crate) fn new(issued: &Issued, authority: Option<&Path>) -> Result<KubeletTls> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current::new(issued, &provider)?);
        let builder =
            || ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let with_client = |checked: ConfigBuilder<ClientConfig, WantsClientCert>| {
            let mut config = checked.with_client_cert_resolver(current.clone());
            config.resumption = Resumption::disabled();
            Arc::new(config)
        };
        let anybody = join_tls::anybody(provider.clone());
        let unchecked = with_client(builder()?.dangerous().with_custom_certificate_verifier(anybody));
        let kubelets = match authority {
            Some(path) => with_client(builder()?.with_root_certificates(roots(path)?)),
            None => unchecked.clone(),
        };
        let others = Arc::new(join_tls::unverified_client()?);
        Ok(KubeletTls { kubelets, unchecked_kubelets: unchecked, others, current })
    }

    /// For kubelets. It stays the same when the certificate is renewed.
    pub fn kubelets(&self) -> Arc<ClientConfig> {
        self.kubelets.clone()
    }

    /// For kubelets whatever their certificate says, where a client wants it so.
    pub fn unchecked_kubelets(&self) -> Arc<ClientConfig> {
        self.unchecked_kubelets.clone()
    }

    /// For pods, services and other ports of nodes: no certificate is shown to them, and theirs is not checked.
    pub fn others(&self) -> Arc<ClientConfig> {
        self.others.clone()
    }

    pub(crate) fn replace(&self, issued: &Issued) -> Result<()> {
        self.current.replace(issued, self.kubelets.crypto_provider())
    }
}

/// The authorities in a file.
fn roots(path: &Path) -> Result<RootCertStore> {
    let pem = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let unusable = || Error::KubeletAuthority { path: path.to_owned() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
    }
    if roots.is_empty() { Err(unusable()) } else { Ok(roots) }
}
