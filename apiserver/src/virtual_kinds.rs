//! Kinds that are never stored: reviews and bindings (created only), component statuses (read only).

use crate::kind::Kind;
use crate::reply::{Reply, TreeReply};
use crate::schema;
use crate::scope::Scope;
use crate::status::Error;
use crate::tree::{List, Map, Node};

/// Whether objects of the kind are made up on request.
pub fn is_virtual(kind: &Kind) -> bool {
    !kind.verbs.contains(&"delete")
}

/// Components whose state clients ask for by this old name.
const COMPONENTS: [&str; 3] = ["scheduler", "controller-manager", "etcd-0"];

impl Scope<'_> {
    /// get and list of component statuses.
    pub async fn read_virtual(&mut self) -> Result<Reply, Error> {
        // The store must answer for any of them to be healthy.
        self.server.reader().latest().await?;
        let name = self.name();
        if self.attributes().names_object {
            let component =
                COMPONENTS.iter().find(|component| **component == name).ok_or_else(|| self.not_found())?;
            return Ok(self.tree_reply(component_status(component), false));
        }
        let items: List = COMPONENTS.iter().map(|component| Node::Map(component_status(component))).collect();
        let list = format!("{}List", self.resource.kind.names.kind);
        let schema_name = format!("{}List", self.resource.version.schema);
        let schema = schema::builtin().find(&schema_name).ok_or(Error::NoResource)?;
        Ok(Reply::Tree(TreeReply {
            resource: Some(self.resource.clone()),
            api_version: self.resource.api_version.clone(),
            kind: list,
            schema,
            object: Map::from([("metadata", Node::Map(Map::new())), ("items", Node::List(items))]),
            created: false,
        }))
    }
}

fn component_status(name: &str) -> Map {
    let condition = Map::from([
        ("type", Node::from("Healthy")),
        ("status", Node::from("True")),
        ("message", Node::from("ok")),
    ]);
    let conditions: Node = [Node::Map(condition)].into_iter().collect();
    Map::from([("metadata", Node::Map(Map::from([("name", Node::from(name))]))), ("conditions", conditions)])
}
