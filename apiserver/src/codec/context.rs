//! Where a decoder is and what it has noticed: paths, findings, and the errors that Go reports at the end.
//!
//! Keeps: a value of the wrong type does not end decoding, because Go reports a syntax error later in the
//! document first; the first error of each class is the one reported.

use ecow::EcoString;

use super::{DecodeError, Findings};
use crate::schema::{FlatField, Schema, StructId, Type};

pub(super) struct Context<'a> {
    pub(super) schema: &'a Schema,
    path: Vec<Segment>,
    /// The map keys on the path.
    keys: Vec<EcoString>,
    findings: Option<&'a mut Findings>,
    /// Inside a value that Go decodes with a decoder of its own, which knows no strictness.
    pub(super) lenient: usize,
    /// A value of the wrong type: reported when nothing worse is found.
    mismatch: Option<DecodeError>,
    /// A leaf that its own decoder refused.
    refusal: Option<DecodeError>,
    words: Words,
}

/// Whose words are used for a value of the wrong type.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Words {
    /// Go's decoder of JSON.
    Json,
    /// Upstream's converter of maps to structs, through which the results of strategic patches and applies go.
    Converter,
}

/// A value of the wrong type, as its error shows it.
pub(super) struct Found<'a> {
    /// `string`, `number`, `number 1.5`, `object` …
    pub(super) json: &'a str,
    /// `string`, `int64`, `float64`, `bool`, `map` or `slice`.
    pub(super) go: &'a str,
}

#[derive(Clone, Copy)]
enum Segment {
    Field(StructId, u16),
    /// The next of `keys`.
    Key,
    Index(u32),
}

impl<'a> Context<'a> {
    pub(super) fn new(schema: &'a Schema, findings: Option<&'a mut Findings>) -> Context<'a> {
        let path = Vec::with_capacity(16);
        let words = Words::Json;
        Context { schema, path, keys: Vec::new(), findings, lenient: 0, mismatch: None, refusal: None, words }
    }

    /// The same in other words.
    pub(super) fn speaking(self, words: Words) -> Context<'a> {
        Context { words, ..self }
    }

    /// Whether the object itself is being read, not something inside it.
    #[inline]
    pub(super) fn is_at_top(&self) -> bool {
        self.path.is_empty()
    }

    #[inline]
    pub(super) fn enter_field(&mut self, id: StructId, at: usize) {
        self.path.push(Segment::Field(id, at as u16));
    }

    pub(super) fn enter_key(&mut self, key: &str) {
        self.path.push(Segment::Key);
        self.keys.push(key.into());
    }

    #[inline]
    pub(super) fn enter_index(&mut self, index: usize) {
        self.path.push(Segment::Index(index as u32));
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        if let Some(Segment::Key) = self.path.pop() {
            self.keys.pop();
        }
    }

    /// Whether unknown and duplicate fields are of interest.
    #[inline]
    pub(super) fn is_strict(&self) -> bool {
        self.findings.is_some() && self.lenient == 0
    }

    pub(super) fn unknown(&mut self, name: &str) {
        if self.is_strict() {
            let path = self.strict_path(name);
            if let Some(findings) = &mut self.findings {
                findings.add_unknown(path);
            }
        }
    }

    pub(super) fn duplicate(&mut self, name: &str) {
        if self.is_strict() {
            let path = self.strict_path(name);
            if let Some(findings) = &mut self.findings {
                findings.add_duplicate(path);
            }
        }
    }

    /// Notes on which line of a YAML document a key stands again.
    pub(super) fn repeated(&mut self, line: usize, key: &EcoString) {
        if let Some(findings) = &mut self.findings {
            findings.add_repeated(line, key);
        }
    }

    /// `spec.containers[0].name`, as strict decoding prints it.
    fn strict_path(&self, name: &str) -> EcoString {
        let mut text = EcoString::new();
        let mut keys = self.keys.iter();
        for segment in &self.path {
            match segment {
                Segment::Field(id, at) => {
                    push_dot(&mut text);
                    text.push_str(&self.flat(*id, *at).field.name);
                }
                Segment::Key => {
                    push_dot(&mut text);
                    text.push_str(keys.next().map_or("", EcoString::as_str));
                }
                Segment::Index(index) => text.push_str(&ecow::eco_format!("[{index}]")),
            }
        }
        push_dot(&mut text);
        text.push_str(name);
        text
    }

    fn flat(&self, id: StructId, at: u16) -> &'a FlatField {
        let schema: &'a Schema = self.schema;
        &schema.get(id).flat[usize::from(at)]
    }

    /// Notes that a value is not of the expected type. `levels` is how many lists or maps inside the field's type it is.
    pub(super) fn mismatch(&mut self, found: &Found<'_>, ty: &Type, levels: usize) {
        if self.mismatch.is_none() {
            let go = self.go_type(ty, levels);
            let error = match self.words {
                Words::Json => self.type_error(found.json, &go),
                Words::Converter => DecodeError::new(converter_error(found, ty, &go)),
            };
            self.mismatch = Some(error);
        }
    }

    /// As `mismatch`, for a leaf whose own decoder refuses: Go stops there.
    pub(super) fn refuse_type(&mut self, value: &str, ty: &str) {
        if self.refusal.is_none() {
            self.refusal = Some(self.type_error(value, ty));
        }
    }

    /// Notes an error of the class of `mismatch` in other words.
    pub(super) fn note(&mut self, message: String) {
        if self.mismatch.is_none() {
            self.mismatch = Some(DecodeError::new(message));
        }
    }

    /// Notes that a leaf's own decoder refused its text.
    pub(super) fn refuse(&mut self, message: impl Into<String>) {
        if self.refusal.is_none() {
            self.refusal = Some(DecodeError::new(message));
        }
    }

    fn type_error(&self, value: &str, ty: &str) -> DecodeError {
        let innermost = self.path.iter().rev().find_map(|segment| match segment {
            Segment::Field(id, _) => Some(*id),
            _ => None,
        });
        let Some(innermost) = innermost.filter(|_| self.words == Words::Json) else {
            return DecodeError::new(format!("json: cannot unmarshal {value} into Go value of type {ty}"));
        };
        let go = &self.schema.get(innermost).go;
        let owner = go.rsplit('.').next().unwrap_or_default();
        let mut path = String::new();
        for segment in &self.path {
            if let Segment::Field(id, at) = segment {
                let flat = self.flat(*id, *at);
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&flat.embedded);
                path.push_str(&flat.field.name);
            }
        }
        DecodeError::new(format!(
            "json: cannot unmarshal {value} into Go struct field {owner}.{path} of type {ty}"
        ))
    }

    /// Notes that a text is no base64 from a byte on.
    pub(super) fn note_base64(&mut self, at: usize) {
        let prefix = if self.words == Words::Converter { "error decoding from json: " } else { "" };
        self.note(format!("{prefix}illegal base64 data at input byte {at}"));
    }

    /// The expected type in Go's words.
    fn go_type(&self, ty: &Type, levels: usize) -> String {
        if let Some(Segment::Field(id, at)) = self.path.iter().rev().find(|s| matches!(s, Segment::Field(..)))
        {
            let go = &self.flat(*id, *at).field.go;
            let inner = (0..levels).try_fold(go.as_str(), |go, _| element(go));
            if let Some(inner) = inner.filter(|inner| !inner.is_empty()) {
                return inner.to_owned();
            }
        }
        self.plain_go_type(ty)
    }

    fn plain_go_type(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "bool".into(),
            Type::Int32 => "int32".into(),
            Type::Int64 => "int64".into(),
            Type::Float64 => "float64".into(),
            Type::String => "string".into(),
            Type::Bytes => "[]uint8".into(),
            Type::Time => "v1.Time".into(),
            Type::MicroTime => "v1.MicroTime".into(),
            Type::Duration => "v1.Duration".into(),
            Type::Quantity => "resource.Quantity".into(),
            Type::IntOrString => "intstr.IntOrString".into(),
            Type::FieldsV1 => "v1.FieldsV1".into(),
            Type::RawExtension => "runtime.RawExtension".into(),
            Type::Json => "v1.JSON".into(),
            Type::Any => "interface {}".into(),
            Type::SchemaOr(..) => "v1.JSONSchemaProps".into(),
            Type::Struct(id) => self.schema.get(*id).go.to_string(),
            Type::List { item, .. } => format!("[]{}", self.plain_go_type(item)),
            Type::Map(value) => format!("map[string]{}", self.plain_go_type(value)),
        }
    }

    /// The error to report after a document that is well formed.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.refusal.or(self.mismatch) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

fn converter_error(found: &Found<'_>, ty: &Type, go: &str) -> String {
    let from = found.go;
    match (ty, from) {
        (Type::Struct(_), _) => format!("cannot restore struct from: {from}"),
        (Type::Bytes, "slice") => "unrecognized type: uint8".to_owned(),
        (Type::List { .. } | Type::Bytes, _) => format!("cannot restore slice from {from}"),
        (Type::Map(_), _) => format!("cannot restore map from {from}"),
        // Go can convert a number to a string of one character, so the converter sees it too late.
        (Type::String, "int64") | (Type::Int32 | Type::Int64, "float64" | "int64") => {
            format!("cannot convert {from} to {go}")
        }
        (Type::String, _) => "unrecognized type: string".to_owned(),
        (Type::Int32, _) => "unrecognized type: int32".to_owned(),
        (Type::Int64, _) => "unrecognized type: int64".to_owned(),
        (Type::Float64, _) => "unrecognized type: float64".to_owned(),
        (Type::Bool, _) => "unrecognized type: bool".to_owned(),
        _ => format!("json: cannot unmarshal {} into Go value of type {go}", found.json),
    }
}

fn push_dot(text: &mut EcoString) {
    if !text.is_empty() {
        text.push('.');
    }
}

/// The element type of a list or map in Go's words.
fn element(go: &str) -> Option<&str> {
    let inner = go
        .strip_prefix("[]")
        .or_else(|| go.strip_prefix("map[").and_then(|rest| rest.split_once(']')).map(|(_, inner)| inner))?;
    Some(inner.strip_prefix('*').unwrap_or(inner))
}
