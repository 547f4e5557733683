//! Who is believed besides the cluster's own certificates and tokens: the flags `--oidc-…`, or a file that says more.

use std::{fs, path::Path};

use pintle_apiserver::authentication::oidc::{
    Algorithm, Anonymous, ClaimRule, Configuration, Issuer, IssuerDocument, JwtAuthenticator, Mappings,
    PrefixedClaim,
};

use crate::{cli::AuthenticationArgs, error::Error};

/// The prefix that means none.
const NO_PREFIX: &str = "-";

/// Reads flags and file; `own` issue the cluster's own tokens.
pub(crate) fn read(args: &AuthenticationArgs, own: &[String]) -> Result<Configuration, Error> {
    let mut configuration = match &args.config {
        Some(path) => {
            let text = read_file(path, "--authentication-config")?;
            Configuration::read(&text, own)
                .map_err(|source| Error::AuthenticationConfig { path: path.clone(), source })?
        }
        None => Configuration { issuers: provider(args, own)?.into_iter().collect(), anonymous: None },
    };
    if let Some(allowed) = args.anonymous_auth {
        if configuration.anonymous.is_some() {
            return Err(Error::AnonymousTwice);
        }
        configuration.anonymous = Some(if allowed { Anonymous::Everywhere } else { Anonymous::Nowhere });
    }
    Ok(configuration)
}

fn read_file(path: &Path, flag: &'static str) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::AuthenticationFile { path: path.to_owned(), flag, source })
}

/// The provider that the flags name.
fn provider(args: &AuthenticationArgs, own: &[String]) -> Result<Option<Issuer>, Error> {
    let (Some(url), Some(client)) = (&args.oidc_issuer_url, &args.oidc_client_id) else { return Ok(None) };
    if own.contains(url) {
        return Err(Error::Oidc("--oidc-issuer-url is the issuer of service account tokens".to_owned()));
    }
    let certificate_authority = match &args.oidc_ca_file {
        Some(path) => String::from_utf8_lossy(&read_file(path, "--oidc-ca-file")?).into_owned(),
        None => String::new(),
    };
    let username_claim = args.oidc_username_claim.clone();
    // An empty one is as none said.
    let said = args.oidc_username_prefix.as_deref().filter(|prefix| !prefix.is_empty());
    let username_prefix = match said {
        Some(NO_PREFIX) => String::new(),
        Some(prefix) => prefix.to_owned(),
        // Addresses are unique; other names belong to their provider.
        None if username_claim == "email" => String::new(),
        None => format!("{url}#"),
    };
    let claim_validation_rules = args.oidc_required_claim.iter().map(|(claim, required_value)| ClaimRule {
        claim: claim.clone(),
        required_value: required_value.clone(),
        ..ClaimRule::default()
    });
    let groups = args.oidc_groups_claim.as_ref().map(|claim| PrefixedClaim {
        claim: claim.clone(),
        prefix: Some(args.oidc_groups_prefix.clone()),
        ..PrefixedClaim::default()
    });
    let authenticator = JwtAuthenticator {
        issuer: IssuerDocument {
            url: url.clone(),
            certificate_authority,
            audiences: vec![client.clone()],
            ..IssuerDocument::default()
        },
        claim_validation_rules: claim_validation_rules.collect(),
        claim_mappings: Mappings {
            username: PrefixedClaim {
                claim: username_claim,
                prefix: Some(username_prefix),
                ..PrefixedClaim::default()
            },
            groups: groups.unwrap_or_default(),
            ..Mappings::default()
        },
        ..JwtAuthenticator::default()
    };
    let algorithms = args.oidc_signing_algs.iter().map(|name| {
        Algorithm::parse(name).ok_or_else(|| {
            let known = Algorithm::ALL.map(Algorithm::as_str).join(", ");
            Error::Oidc(format!("{name:?} (--oidc-signing-algs) is not known here: choose of {known}"))
        })
    });
    let algorithms = algorithms.collect::<Result<Vec<_>, _>>()?;
    let issuer =
        Issuer::new(&authenticator, algorithms, "--oidc-issuer-url, --oidc-client-id or --oidc-ca-file");
    issuer.map(Some).map_err(|error| Error::Oidc(error.to_string()))
}
