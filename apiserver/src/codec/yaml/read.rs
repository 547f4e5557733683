//! YAML text to an untyped tree.
//!
//! Keeps: recursion is bounded by the parser's nesting limits, and aliases by a byte budget.

use base64::Engine;
use ecow::{EcoString, eco_format};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::super::context::Context;
use super::super::json::sort_keeping_last;
use super::super::{DecodeError, Findings};
use super::EXPANDED_BYTES_MAX;
use super::scalar::{Meaning, resolve};
use crate::schema::Schema;
use crate::tree::{Key, List, Map, Node};

type Result<T> = std::result::Result<T, DecodeError>;

/// Deeper documents are refused by the parser.
const NESTING_MAX: usize = 255;

pub(super) fn document(text: &str, findings: Option<&mut Findings>) -> Result<Node> {
    let schema = Schema::default();
    let mut options = Options::default();
    options.flow_nesting_limit = NESTING_MAX;
    options.block_nesting_limit = NESTING_MAX;
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        context: Context::new(&schema, findings),
        line: 0,
        anchors: FxHashMap::default(),
        expanded: 0,
    };
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(Node::Null),
            Event::DocumentStart(..) => {
                let event = reader.next()?;
                return reader.node(event).map(|sized| sized.node);
            }
            _ => {}
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    context: Context<'t>,
    /// Where the last event began.
    line: usize,
    anchors: FxHashMap<usize, Sized>,
    /// Bytes that aliases have added so far.
    expanded: usize,
}

/// A node and about how many bytes its JSON has.
#[derive(Clone)]
struct Sized {
    node: Node,
    bytes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Event<'t>> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => Err(scan_error(&error)),
            None => Ok(Event::StreamEnd),
        }
    }

    fn node(&mut self, event: Event<'t>) -> Result<Sized> {
        let (anchor, sized) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = scalar(&text, style, tag.as_deref())?;
                (anchor, Sized { node, bytes: text.len() + 3 })
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list()?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map()?),
            Event::Alias(anchor) => {
                let sized = self.anchors.get(&anchor).cloned();
                let sized = sized.ok_or_else(|| error("anchor value contains itself"))?;
                self.expanded = self.expanded.saturating_add(sized.bytes);
                if self.expanded > EXPANDED_BYTES_MAX {
                    return Err(error("document contains excessive aliasing"));
                }
                (0, sized)
            }
            _ => return Err(error("unexpected end of document")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, sized.clone());
        }
        Ok(sized)
    }

    fn list(&mut self) -> Result<Sized> {
        let mut list = List::new();
        let mut bytes = 2;
        loop {
            let event = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Sized { node: Node::List(list), bytes });
            }
            self.context.enter_index(list.len());
            let item = self.node(event)?;
            self.context.leave();
            bytes += item.bytes + 1;
            list.push(item.node);
        }
    }

    fn map(&mut self) -> Result<Sized> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut merged: Vec<(Key, Node)> = Vec::new();
        let mut seen: FxHashSet<EcoString> = FxHashSet::default();
        let mut bytes = 2;
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let line = self.line;
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let name = self.node(event)?;
            let value = self.next()?;
            if is_merge {
                let value = self.node(value)?;
                bytes += value.bytes;
                merge(value.node, &mut merged)?;
                continue;
            }
            let name = key(name.node)?;
            if self.context.is_strict() && !seen.insert(name.clone()) {
                self.context.repeated(line, &name);
            }
            self.context.enter_key(&name);
            let value = self.node(value)?;
            self.context.leave();
            bytes += name.len() + value.bytes + 4;
            entries.push((Key::Owned(name), value.node));
        }
        let context = &mut self.context;
        sort_keeping_last(&mut entries, 0, |name| context.duplicate(name));
        if !merged.is_empty() {
            // A key of the map itself wins over a merged one.
            merged.append(&mut entries);
            sort_keeping_last(&mut merged, 0, |_| ());
            entries = merged;
        }
        Ok(Sized { node: Node::Map(Map::from_entries(entries.into())), bytes })
    }
}

/// Adds the entries that a merge key refers to; of a list of maps the first wins.
fn merge(node: Node, into: &mut Vec<(Key, Node)>) -> Result<()> {
    let wanted = || error("map merge requires map or sequence of maps as the value");
    match node {
        Node::Map(map) => into.extend(map),
        Node::List(list) => {
            for item in list.into_iter().rev() {
                match item {
                    Node::Map(map) => into.extend(map),
                    _ => return Err(wanted()),
                }
            }
        }
        _ => return Err(wanted()),
    }
    Ok(())
}

/// A key as JSON has it.
fn key(node: Node) -> Result<EcoString> {
    Ok(match node {
        Node::Str(text) | Node::Raw(text) => text,
        Node::Int(value) => eco_format!("{value}"),
        Node::Bool(value) => eco_format!("{value}"),
        // Upstream rounds a key to single precision.
        Node::Float(value) => eco_format!("{}", value as f32),
        Node::Null => return Err(error("unsupported map key of type: <nil>")),
        Node::List(_) | Node::Map(_) => return Err(error("invalid map key")),
    })
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node> {
    let tag = tag.and_then(Tag::core_suffix);
    match tag {
        Some("str") => return Ok(Node::Str(text.into())),
        Some("binary") => {
            let compact: String = text.split_ascii_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(compact);
            let bytes = bytes.map_err(|_| error("!!binary value contains invalid base64 data"))?;
            return Ok(Node::Str(String::from_utf8_lossy(&bytes).as_ref().into()));
        }
        None if style != ScalarStyle::Plain => return Ok(Node::Str(text.into())),
        _ => {}
    }
    let node = match resolve(text) {
        Meaning::Null => Node::Null,
        Meaning::Bool(value) => Node::Bool(value),
        Meaning::Int(value) if tag == Some("float") => Node::Float(value as f64),
        Meaning::Int(value) => Node::Int(value),
        // Only as a number in the JSON text: no node holds it.
        Meaning::Unsigned(value) => Node::Raw(eco_format!("{value}")),
        Meaning::Float(value) if value.is_finite() => Node::Float(value),
        Meaning::Float(value) => {
            return Err(DecodeError::new(format!("json: unsupported value: {}", go_float(value))));
        }
        Meaning::Merge | Meaning::Timestamp | Meaning::Text => Node::Str(text.into()),
    };
    let fits = match tag {
        Some("int") => matches!(node, Node::Int(_) | Node::Raw(_)),
        Some("float") => matches!(node, Node::Float(_)),
        Some("bool") => matches!(node, Node::Bool(_)),
        Some("null") => node == Node::Null,
        _ => true,
    };
    if fits {
        Ok(node)
    } else {
        Err(error(&format!("cannot decode `{text}` as a !!{}", tag.unwrap_or_default())))
    }
}

fn go_float(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

fn error(message: &str) -> DecodeError {
    DecodeError::new(format!("yaml: {message}"))
}

fn scan_error(error: &ScanError) -> DecodeError {
    DecodeError::new(format!("yaml: line {}: {}", error.marker().line(), error.info()))
}
