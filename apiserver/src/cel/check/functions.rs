//! The functions that Kubernetes' expressions may call, and what some of them give.

use super::Type;

/// Names in front of functions: `sets.contains(…)`, `optional.of(…)`.
pub(super) const NAMESPACES: [&str; 11] = [
    "cidr",
    "format",
    "google",
    "ip",
    "jsonpatch",
    "kubernetes",
    "lists",
    "net",
    "optional",
    "sets",
    "strings",
];

/// Types, which are values as well.
pub(super) const TYPES: [&str; 13] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
    "Object",
];

/// Loops and bindings that are calls until they are expanded, and how many variables they bind.
pub(super) fn binds(name: &str, arguments: usize) -> usize {
    match (name, arguments) {
        (
            "all" | "exists" | "existsOne" | "exists_one" | "transformList" | "transformMap"
            | "transformMapEntry",
            3..,
        ) => 2,
        ("sortBy" | "optMap" | "optFlatMap", 2) => 1,
        _ => 0,
    }
}

/// What a function gives; nothing if there is none of that name.
pub(super) fn result<'a>(name: &str) -> Option<Type<'a>> {
    Some(match name {
        "contains"
        | "endsWith"
        | "startsWith"
        | "matches"
        | "isSorted"
        | "isURL"
        | "isIP"
        | "isCIDR"
        | "isQuantity"
        | "isSemver"
        | "isInteger"
        | "isLessThan"
        | "isGreaterThan"
        | "containsIP"
        | "containsCIDR"
        | "isUnspecified"
        | "isLoopback"
        | "isLinkLocalMulticast"
        | "isLinkLocalUnicast"
        | "isGlobalUnicast"
        | "isCanonical"
        | "isImage"
        | "containsDigest"
        | "hasValue"
        | "allowed"
        | "errored"
        | "bool"
        | "equivalent"
        | "intersects"
        | "isNaN"
        | "isInf"
        | "isFinite"
        | "all"
        | "exists"
        | "existsOne"
        | "exists_one"
        | "@not_strictly_false" => Type::Bool,
        "size" | "indexOf" | "lastIndexOf" | "int" | "getFullYear" | "getMonth" | "getDayOfYear"
        | "getDayOfMonth" | "getDate" | "getDayOfWeek" | "getHours" | "getMinutes" | "getSeconds"
        | "getMilliseconds" | "compareTo" | "sign" | "asInteger" | "family" | "prefixLength" | "major"
        | "minor" | "patch" => Type::Int,
        "string" | "charAt" | "lowerAscii" | "upperAscii" | "replace" | "substring" | "trim" | "join"
        | "quote" | "format" | "find" | "getScheme" | "getHost" | "getHostname" | "getPort"
        | "getEscapedPath" | "reason" | "error" | "escapeKey" => Type::String,
        "double" | "asApproximateFloat" => Type::Double,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "uint" => Type::Uint,
        "split" | "findAll" => Type::List(Box::new(Type::String)),
        "add" | "allContainers" | "check" | "cidr" | "decode" | "digest" | "distinct" | "div" | "divInt"
        | "dyn" | "encode" | "fieldSelector" | "filter" | "first" | "flatten" | "getQuery" | "group"
        | "identifier" | "image" | "mul" | "registry" | "repository" | "tag" | "ip" | "labelSelector"
        | "last" | "map" | "masked" | "max" | "min" | "name" | "named" | "namespace" | "optFlatMap"
        | "optMap" | "or" | "orValue" | "path" | "quantity" | "range" | "resource" | "reverse" | "semver"
        | "serviceAccount" | "slice" | "sort" | "sortBy" | "sub" | "subresource" | "sum"
        | "transformList" | "transformMap" | "transformMapEntry" | "type" | "unwrap" | "unwrapOpt"
        | "url" | "validate" | "value" => Type::Dyn,
        _ => return None,
    })
}
