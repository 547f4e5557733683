//! How objects are converted between versions. Keeps: there is a webhook exactly when one is asked for, and it speaks
//! a version that the server does.

use crate::field::{FieldErrors, Path};
use crate::kinds::core::rules;
use crate::kinds::webhook_client;
use crate::tree::Map;

/// Fills in what absent fields of a conversion mean.
pub(super) fn set_defaults(conversion: &mut Map) {
    let webhook = conversion.existing_map_mut("webhook");
    if let Some(client) = webhook.and_then(|webhook| webhook.existing_map_mut("clientConfig")) {
        webhook_client::set_defaults(client);
    }
}

/// Reports what is wrong with a conversion.
pub(super) fn validate(conversion: &Map, path: &Path<'_>, errors: &mut FieldErrors) {
    rules::require_choice_in_order(conversion, "strategy", &["None", "Webhook"], path, errors);
    let empty = Map::new();
    let webhook = conversion.map("webhook").unwrap_or(&empty);
    // Upstream judges the form that it stored before v1: the fields are named as there.
    let client_path = path.child("webhookClientConfig");
    let versions_path = path.child("conversionReviewVersions");
    let client = webhook.map("clientConfig");
    if conversion.str("strategy") == "Webhook" {
        match client {
            Some(client) => webhook_client::validate(client, &client_path, errors),
            None => errors.required(&client_path, "required when strategy is set to Webhook"),
        }
        let versions = webhook.list("conversionReviewVersions");
        return webhook_client::validate_review_versions(versions, "", &versions_path, errors);
    }
    const UNWANTED: &str = "should not be set when strategy is not set to Webhook";
    if client.is_some() {
        errors.forbidden(&client_path, UNWANTED);
    }
    if !webhook.list("conversionReviewVersions").is_empty() {
        errors.forbidden(&versions_path, UNWANTED);
    }
}
