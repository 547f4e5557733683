//! Label sets of the counters.
//!
//! Keeps: every label of a request is a static text or a number, so a set is copied and compared without allocating.

use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet, LabelSetEncoder};

/// What a request was, as `apiserver_request_*` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `GET`, `LIST`, `WATCH`, `POST`, `PUT`, `PATCH`, `APPLY`, `DELETE`, `DELETECOLLECTION`, `CONNECT`, or `other`.
    pub verb: &'static str,
    /// `All` of a dry run.
    pub dry_run: &'static str,
    /// API group; empty for core and for paths that are no resource.
    pub group: &'static str,
    /// `v1`
    pub version: &'static str,
    /// `pods`
    pub resource: &'static str,
    /// `status`; the path of a request that is no resource, when it is a known one.
    pub subresource: &'static str,
    /// `cluster`, `namespace` or `resource`; empty for paths that are no resource.
    pub scope: &'static str,
    /// Always `apiserver`.
    pub component: &'static str,
}

/// A served resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResourceLabels {
    /// API group.
    pub group: &'static str,
    /// `v1`
    pub version: &'static str,
    /// `pods`
    pub resource: &'static str,
}

/// A webhook and what it was asked about. Their names are those that administrators give.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookLabels {
    /// The webhook's name.
    pub name: String,
    /// `admit` or `validating`
    pub kind: &'static str,
    /// `CREATE` …
    pub operation: &'static str,
    /// The request ended there.
    pub is_rejected: bool,
}

impl EncodeLabelSet for WebhookLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        let rejected = if self.is_rejected { "true" } else { "false" };
        [
            ("name", self.name.as_str()),
            ("type", self.kind),
            ("operation", self.operation),
            ("rejected", rejected),
        ]
        .encode(encoder)
    }
}

/// A conversion of objects by a webhook. Their names are those that administrators give.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConversionLabels {
    /// The definition's name.
    pub crd_name: String,
    /// The version that objects were in.
    pub from_version: String,
    /// The version that was asked for.
    pub to_version: String,
    /// `true` or `false`
    pub succeeded: &'static str,
}

/// How a question to a webhook that converts objects ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ConversionOutcomeLabels {
    pub(super) result: &'static str,
    pub(super) failure_type: &'static str,
}

/// How often something happened with a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WebhookCountLabels {
    pub(super) webhook: WebhookLabels,
    pub(super) code: u16,
}

impl EncodeLabelSet for WebhookCountLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.webhook.encode(encoder)?;
        ("code", self.code).encode(encoder.encode_label())
    }
}

/// Why a webhook let nothing through.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WebhookRejectionLabels {
    pub(super) name: String,
    pub(super) r#type: &'static str,
    pub(super) operation: &'static str,
    pub(super) error_type: &'static str,
    pub(super) rejection_code: u16,
}

/// A webhook that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WebhookNameLabels {
    pub(super) name: String,
    pub(super) r#type: &'static str,
}

/// Whether a request may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only reads.
    ReadOnly,
    /// It writes.
    Mutating,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::ReadOnly => "readOnly",
            Kind::Mutating => "mutating",
        }
    }
}

impl RequestLabels {
    /// Labels of a verb of the pipeline (`create`, `list` …) with its upstream name.
    pub fn of(verb: &str) -> RequestLabels {
        let verb = match verb {
            "get" => "GET",
            "list" => "LIST",
            "watch" => "WATCH",
            "create" => "POST",
            "update" => "PUT",
            "patch" => "PATCH",
            "apply" => "APPLY",
            "delete" => "DELETE",
            "deletecollection" => "DELETECOLLECTION",
            "connect" => "CONNECT",
            _ => "other",
        };
        RequestLabels { verb, component: "apiserver", ..RequestLabels::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CodeLabels {
    #[prometheus(flatten)]
    pub(super) request: RequestLabels,
    pub(super) code: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) request_kind: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LongLabels {
    verb: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: &'static str,
    scope: &'static str,
    component: &'static str,
}

/// Sizes have the labels of long-running requests.
pub(super) type SizeLabels = LongLabels;

impl From<&RequestLabels> for LongLabels {
    fn from(labels: &RequestLabels) -> LongLabels {
        LongLabels {
            verb: labels.verb,
            group: labels.group,
            version: labels.version,
            resource: labels.resource,
            subresource: labels.subresource,
            scope: labels.scope,
            component: labels.component,
        }
    }
}
