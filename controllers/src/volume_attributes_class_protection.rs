//! VolumeAttributesClass protection: a class that is deleted stays for as long as a volume or a claim has it, wants it or
//! is about to get it.

use ecow::EcoString;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::api::{ApiError, Resource, Target};
use crate::context::Context;
use crate::controller::{Controller, Next, Shape};
use crate::digest::{Change, Digest, Index, Term};
use crate::key::Key;
use crate::protection::{Protected, Step, fetch, write};

#[cfg(test)]
mod tests;

/// The controller.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "volumeattributesclass-protection-controller",
    watches: |watches| {
        watches.primary::<Class>();
        watches.watch::<Volume>(|change, _, put| freed(change, put));
        watches.watch::<Claim>(|change, _, put| freed(change, put));
    },
    shape: Shape::Reconcile(reconcile),
    ..Controller::DEFAULT
};

const FINALIZER: &str = "kubernetes.io/vac-protection";
const BY_CLASS: Index = Index(1);

/// What the view holds of a class: that it exists.
#[derive(Clone, Debug, Default, Deserialize)]
struct Class {}

impl Digest for Class {
    const RESOURCE: &'static Resource =
        &Resource::cluster("storage.k8s.io", "v1", "volumeattributesclasses", "VolumeAttributesClass");
    const METADATA_ONLY: bool = true;
}

/// What uses classes.
trait Uses: Digest {
    /// The classes that it uses; an empty name is none.
    fn classes(&self) -> Vec<&EcoString>;

    /// The terms under which a view finds it.
    fn terms(&self, put: &mut dyn FnMut(Term)) {
        self.classes().into_iter().for_each(|class| put(BY_CLASS.term(&[class.as_str()])));
    }
}

/// A volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Volume {
    spec: Spec,
}

/// The class that a volume or claim asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    volume_attributes_class_name: EcoString,
}

impl Uses for Volume {
    fn classes(&self) -> Vec<&EcoString> {
        vec![&self.spec.volume_attributes_class_name]
    }
}

impl Digest for Volume {
    const RESOURCE: &'static Resource = &Resource::cluster("", "v1", "persistentvolumes", "PersistentVolume");

    fn index(&self, put: &mut dyn FnMut(Term)) {
        self.terms(put);
    }
}

/// A claim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Claim {
    spec: Spec,
    status: Status,
}

/// The classes that a claim has and is about to get.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    current_volume_attributes_class_name: EcoString,
    modify_volume_status: Modification,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Modification {
    target_volume_attributes_class_name: EcoString,
}

impl Uses for Claim {
    fn classes(&self) -> Vec<&EcoString> {
        vec![
            &self.spec.volume_attributes_class_name,
            &self.status.current_volume_attributes_class_name,
            &self.status.modify_volume_status.target_volume_attributes_class_name,
        ]
    }
}

impl Digest for Claim {
    const RESOURCE: &'static Resource =
        &Resource::namespaced("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");

    fn index(&self, put: &mut dyn FnMut(Term)) {
        self.terms(put);
    }
}

/// What uses a class no longer may have been the last that did.
fn freed<D: Uses>(change: &Change<'_, D>, put: &mut dyn FnMut(Key)) {
    let Some(old) = change.old else { return };
    let kept = change.new.map_or_else(Vec::new, |new| new.classes());
    let lost = old.classes().into_iter().filter(|class| !class.is_empty() && !kept.contains(class));
    lost.for_each(|class| put(Key::new("", class.clone())));
}

fn reconcile<'a>(context: &'a Context, key: &'a Key) -> BoxFuture<'a, Result<Next, ApiError>> {
    Box::pin(async move {
        if context.view().of::<Class>().by_key(key).is_none() {
            return Ok(Next::Change);
        }
        let target = Target::new(Class::RESOURCE, "", &key.name);
        let Some(object) = fetch(context, target).await? else { return Ok(Next::Change) };
        let class: Protected = object.decode()?;
        match class.step(FINALIZER) {
            Step::Add => write(context, target, &object, FINALIZER, true).await?,
            Step::Release if !is_used(context, key) => {
                write(context, target, &object, FINALIZER, false).await?;
            }
            Step::Release | Step::Stay => {}
        }
        Ok(Next::Change)
    })
}

fn is_used(context: &Context, class: &Key) -> bool {
    let (view, term) = (context.view(), BY_CLASS.term(&[class.name.as_str()]));
    view.of::<Volume>().indexed(term).next().is_some() || view.of::<Claim>().indexed(term).next().is_some()
}
