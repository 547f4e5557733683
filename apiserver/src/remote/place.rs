//! Where somebody is: `clientConfig` of a webhook or the `service` of an APIService, read once.

use std::sync::Arc;

use http::Uri;

use crate::tree::{Map, Node};

const HTTPS_PORT: i64 = 443;

/// Where somebody is and who they prove to be.
#[derive(Debug)]
pub(crate) struct Place {
    /// Who is asked.
    pub(super) target: Target,
    /// As errors show it, without a query.
    pub(crate) url: String,
    /// What stands behind host and port.
    pub(crate) path: String,
    /// The `Host` header.
    pub(crate) host: String,
    /// Whom its certificate is for.
    pub(super) server_name: String,
    /// `caBundle` as it is configured: PEM in base64. Empty for the machine's own roots.
    pub(super) bundle: Arc<str>,
    /// Whoever answers is believed.
    pub(super) is_unchecked: bool,
    /// This server proves that it may speak for its users.
    pub(super) is_shown_proof: bool,
}

/// Who is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A host and its port.
    Host(String, u16),
    /// Any endpoint of a Service.
    Service { namespace: String, name: String, port: i64 },
}

impl Place {
    /// Reads a `clientConfig` that was found valid.
    pub(crate) fn of(client: &Map) -> Result<Place, String> {
        let bundle: Arc<str> = client.str("caBundle").into();
        if let Some(service) = client.map("service") {
            return Ok(Place::of_service(service, bundle));
        }
        let text = client.str("url");
        let uri: Uri = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
        let authority = uri.authority().ok_or_else(|| format!("{text:?} names no host"))?;
        let path = cleaned(uri.path());
        let server_name = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(HTTPS_PORT as u16);
        let host = authority.as_str().to_owned();
        Ok(Place {
            target: Target::Host(server_name.clone(), port),
            url: format!("https://{host}{path}"),
            path,
            host,
            server_name,
            bundle,
            is_unchecked: false,
            is_shown_proof: false,
        })
    }

    /// Reads the `spec` of an APIService that names a service.
    pub(crate) fn of_api_service(spec: &Map) -> Option<Place> {
        let place = Place::of_service(spec.map("service")?, spec.str("caBundle").into());
        let is_unchecked = spec.bool("insecureSkipTLSVerify").unwrap_or(false);
        Some(Place { is_unchecked, is_shown_proof: true, ..place })
    }

    fn of_service(service: &Map, bundle: Arc<str>) -> Place {
        let (namespace, name) = (service.str("namespace"), service.str("name"));
        let port = service.get("port").and_then(Node::as_int).unwrap_or(HTTPS_PORT);
        let server_name = format!("{name}.{namespace}.svc");
        let path = cleaned(service.str("path"));
        let host = format!("{server_name}:{port}");
        Place {
            target: Target::Service { namespace: namespace.to_owned(), name: name.to_owned(), port },
            url: format!("https://{host}{path}"),
            path,
            host,
            server_name,
            bundle,
            is_unchecked: false,
            is_shown_proof: false,
        }
    }
}

impl Place {
    /// Namespace, name and port of the Service, if it is one.
    pub(crate) fn service(&self) -> Option<(&str, &str, i64)> {
        match &self.target {
            Target::Service { namespace, name, port } => Some((namespace, name, *port)),
            Target::Host(..) => None,
        }
    }

    /// `https://name.namespace.svc:443`
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.host)
    }
}

/// A path without empty segments and without a slash at its end.
fn cleaned(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::untyped;

    #[test]
    fn services_and_urls_are_places() {
        for (client, url, host, name, target) in [
            (
                json!({ "service": { "namespace": "a", "name": "b", "path": "/check/", "port": 8443 } }),
                "https://b.a.svc:8443/check",
                "b.a.svc:8443",
                "b.a.svc",
                Target::Service { namespace: "a".to_owned(), name: "b".to_owned(), port: 8443 },
            ),
            (
                json!({ "url": "https://hooks.example.com//a//b" }),
                "https://hooks.example.com/a/b",
                "hooks.example.com",
                "hooks.example.com",
                Target::Host("hooks.example.com".to_owned(), 443),
            ),
            (
                json!({ "url": "https://[::1]:8443" }),
                "https://[::1]:8443/",
                "[::1]:8443",
                "::1",
                Target::Host("::1".to_owned(), 8443),
            ),
        ] {
            let place = Place::of(&untyped(&client)).unwrap();
            let seen = (place.url.as_str(), place.host.as_str(), place.server_name.as_str(), &place.target);
            assert_eq!(seen, (url, host, name, &target));
        }
        assert!(Place::of(&untyped(&json!({ "url": "https:// no" }))).is_err());
    }
}
