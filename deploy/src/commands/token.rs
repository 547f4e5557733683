//! `pintle token`: tokens with which nodes join the control plane, kept as Kubernetes keeps bootstrap tokens, so that
//! kubectl shows and deletes them too. Keeps: a secret is printed once, when it is made.

use std::fmt::Write as _;

use jiff::{Timestamp, ToSpan as _};
use pintle_certs::{AuthorityHash, Token};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    cli::{TokenArgs, TokenCommand, TokenCreateArgs},
    clock,
    error::Error,
    kubeconfig_file::KubeconfigFile,
    print::print,
    table, wire,
};

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
const TYPE: &str = "bootstrap.kubernetes.io/token";
const NAME_PREFIX: &str = "bootstrap-token-";

pub(crate) fn run(args: &TokenArgs) -> Result<(), Error> {
    match &args.command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::List(cluster) => {
            let path = format!("{SECRETS}?fieldSelector=type%3D{}", TYPE.replace('/', "%2F"));
            let list: Value = super::ask(cluster, async |client, _| Ok(client.get(&path).await?))?;
            print(&token_table(&list, clock::now()));
            Ok(())
        }
        TokenCommand::Delete { token, cluster } => {
            let id = token.split_once('.').map_or(token.as_str(), |(id, _)| id);
            let good = !id.is_empty() && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            if !good {
                return Err(pintle_certs::Error::Token.into());
            }
            let path = format!("{SECRETS}/{NAME_PREFIX}{id}");
            super::ask(cluster, async |client, _| Ok(client.delete(&path).await?))?;
            print(&format!("token {id} deleted\n"));
            Ok(())
        }
    }
}

fn create(args: &TokenCreateArgs) -> Result<(), Error> {
    let token = Token::generate()?;
    let seconds = i64::try_from(args.ttl.0.as_secs()).ok().filter(|seconds| *seconds > 0);
    let expiration = seconds.and_then(|seconds| clock::now().checked_add(seconds.seconds()).ok());
    let secret = secret(&token, expiration.ok_or(Error::TokenLifetime)?);
    let (authority, addresses) = super::ask(&args.cluster, async |client, file: KubeconfigFile| {
        let _: Value = client.post(SECRETS, &secret).await?;
        // The server knows best where others reach it: a kubeconfig on the same machine may say 127.0.0.1.
        let status: wire::StatusReport = client.get(wire::STATUS).await?;
        let report: wire::MembersReport = client.get(wire::MEMBERS).await?;
        // Any of them will do, so that none has to run when the command is used.
        let others = report.members.into_iter().filter(|member| member.id != status.node);
        let others = others.filter_map(|member| member.api_address);
        Ok((file.authority, [status.api_address].into_iter().chain(others).collect::<Vec<_>>().join(",")))
    })?;
    if !args.print_join_command {
        print(&format!("{token}\n"));
        return Ok(());
    }
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).ok();
    let hash = authority.and_then(|authority| AuthorityHash::of(&authority));
    let hash = hash.ok_or(pintle_certs::Error::AuthorityHash)?;
    print(&format!(
        "pintle server --join {addresses} --token {token} --ca-cert-hash {hash} --listen ADDRESS:PORT --peer-listen \
         ADDRESS:PORT\n"
    ));
    Ok(())
}

fn secret(token: &Token, expiration: Timestamp) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": format!("{NAME_PREFIX}{}", token.id()), "namespace": "kube-system" },
        "type": TYPE,
        "stringData": {
            "token-id": token.id(),
            "token-secret": token.secret(),
            "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": wire::JOIN_GROUP,
            "description": "joins nodes to the control plane, made by pintle",
        },
    })
}

fn token_table(list: &Value, now: Timestamp) -> String {
    let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = items.iter().map(|secret| {
        let field = |name: &str| {
            let decoded = secret["data"][name].as_str().and_then(|text| STANDARD.decode(text).ok());
            decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
        };
        let expiration = field("expiration");
        let expired = expiration.parse::<Timestamp>().is_ok_and(|at| at <= now);
        let state = if expired { "expired" } else { "valid" };
        let mut joins = String::new();
        let _ = write!(
            joins,
            "{}",
            if field("auth-extra-groups") == wire::JOIN_GROUP { "control plane" } else { "-" }
        );
        vec![field("token-id"), expiration, state.to_owned(), joins, field("description")]
    });
    let heading = table::row(["ID", "EXPIRES", "STATE", "JOINS", "DESCRIPTION"]);
    table::table(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_shows_no_secret_and_says_what_has_expired() {
        let data = |id: &str, expiration: &str| {
            json!({ "data": {
                "token-id": STANDARD.encode(id),
                "token-secret": STANDARD.encode("0123456789abcdef"),
                "expiration": STANDARD.encode(expiration),
                "auth-extra-groups": STANDARD.encode(wire::JOIN_GROUP),
            } })
        };
        let list = json!({ "items": [
            data("aaaaaa", "2026-01-01T00:00:00Z"),
            data("bbbbbb", "2026-01-02T00:00:00Z"),
        ] });
        let shown = token_table(&list, "2026-01-01T12:00:00Z".parse().unwrap());
        let states: Vec<_> =
            shown.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
        assert_eq!(states, ["expired", "valid"]);
        assert!(!shown.contains("0123456789abcdef"));
    }
}
