//! TokenReview: whose a token is.

use super::{Asking, texts, user_info};
use crate::authentication::{Records, bearer};
use crate::registry::Resource;
use crate::status::Error;
use crate::time;
use crate::tree::{Map, Node};

pub(super) fn answer(_: &Resource, mut body: Map, asking: &Asking<'_>) -> Result<Map, Error> {
    let token = body.str_at(&["spec", "token"]);
    if token.is_empty() {
        return Err(Error::BadRequest("token is required for TokenReview in authentication".to_owned()));
    }
    let mut audiences: Vec<String> = body
        .map("spec")
        .map_or(&[][..], |spec| spec.list("audiences"))
        .iter()
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect();
    if audiences.is_empty() {
        audiences.clone_from(&asking.cluster.api_audiences);
    }
    let now = time::seconds_of(asking.now).unwrap_or_default();
    let records = Records { view: asking.view, cluster: asking.cluster, now };
    let status = match bearer::review(token, &audiences, &records) {
        Ok((user, audiences)) => Map::from([
            ("authenticated", Node::Bool(true)),
            ("user", user_info(&user).into()),
            ("audiences", texts(&audiences).into()),
        ]),
        // `authenticated: false` is what an absent field means.
        Err(invalid) => Map::from([("user", Node::Map(Map::new())), ("error", invalid.to_string().into())]),
    };
    body.set("status", status);
    Ok(body)
}
