//! The [`record!`](crate::record!) macro: one table per struct, from which its fields, defaults,
//! decoding and printing follow.

use crate::decode::{Decoder, Dialect};
use crate::document::NodeId;
use crate::encode::Tree;
use crate::error::Fatal;

/// A struct with named keys. Implemented by [`record!`](crate::record!).
pub trait Record {
    /// Reads the value at `id` into the field with key `key`. Whether there is such a field.
    fn decode_key(
        &mut self,
        decoder: &mut Decoder<'_>,
        key: &str,
        id: NodeId,
    ) -> Result<bool, Fatal>;

    /// Appends the printed fields, inline ones in their place.
    fn encode_keys(&self, pairs: &mut Vec<(String, Tree)>);

    /// Shows every path inside.
    fn visit_record_paths(&mut self, visit: &mut dyn FnMut(&mut String));

    /// Whether every field is zero.
    fn is_zero_record(&self) -> bool;

    /// Appends all keys, inline ones included.
    fn push_keys(keys: &mut Vec<&'static str>);
}

/// Reads the mapping at `id` over `record`; `go_type` names it in error texts.
pub fn decode_record<R: Record>(
    record: &mut R,
    decoder: &mut Decoder<'_>,
    id: NodeId,
    go_type: &str,
) -> Result<(), Fatal> {
    decode_pairs(record, decoder, id, go_type, &mut Vec::new())
}

fn decode_pairs<R: Record>(
    record: &mut R,
    decoder: &mut Decoder<'_>,
    id: NodeId,
    go_type: &str,
    merged_over: &mut Vec<String>,
) -> Result<(), Fatal> {
    let Some(pairs) = decoder.mapping(id, go_type)? else {
        return Ok(());
    };
    let v3 = decoder.dialect() == Dialect::V3;
    let mut seen: Vec<String> = Vec::new();
    let mut merges = Vec::new();
    for &(key, value) in pairs {
        if decoder.is_merge_key(key) {
            if v3 {
                merges.push(value);
            } else {
                let mut fresh = Vec::new();
                decoder.with_merged(value, |decoder, map| {
                    decode_pairs(record, decoder, map, go_type, &mut fresh)
                })?;
            }
            continue;
        }
        let Some(name) = decoder.key(key)? else {
            continue;
        };
        if v3 && merged_over.contains(&name) {
            continue;
        }
        if seen.contains(&name) && decoder.repeated_key(key, &name, go_type) {
            continue;
        }
        if record.decode_key(decoder, &name, value)? {
            seen.push(name);
        } else {
            decoder.unknown_key(key, &name, go_type);
        }
    }
    // The third version lets a key of the mapping itself win over a merged one.
    merged_over.extend(seen);
    for value in merges {
        decoder.with_merged(value, |decoder, map| {
            decode_pairs(record, decoder, map, go_type, merged_over)
        })?;
    }
    Ok(())
}

/// Declares a configuration record.
///
/// ```
/// yaml::record! {
///     /// Limits of a job.
///     #[derive(Debug, Clone, PartialEq)]
///     pub struct Limits: "config.Limits", checked "config.plain" {
///         /// Most samples per scrape; 0 is no limit.
///         pub sample_limit: u64 => omit "sample_limit";
///         /// Word printed always, `x` unless set.
///         pub word: String = "x".to_owned() => keep "word";
///     }
/// }
/// impl Limits {
///     fn check(&mut self) -> Result<(), String> {
///         if self.word.is_empty() { Err("word is empty".to_owned()) } else { Ok(()) }
///     }
/// }
/// let mut limits = Limits::default();
/// yaml::decode("sample_limit: 5", yaml::Dialect::V2, true, &mut limits).unwrap();
/// assert_eq!(yaml::to_text(&yaml::Yaml::encode(&limits)), "sample_limit: 5\nword: x\n");
/// ```
///
/// The first text is the type's name in error texts; `checked` means that decoding starts from the
/// defaults and ends with `check` (the second text names the type then), `open` that it goes over
/// whatever the value holds and nothing is checked. A field is `omit` (not printed when zero),
/// `keep` (always printed), `inline` (its keys are ours) or `skip` (not in the text at all).
#[macro_export]
macro_rules! record {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident: $outer:literal, $how:ident $($inner:literal)? {
            $(
                $(#[$fmeta:meta])*
                $fvis:vis $field:ident: $ty:ty $(= $default:expr)? => $mode:ident $($key:literal)?;
            )*
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[$fmeta])* $fvis $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $crate::record!(@default $($default)?), )* }
            }
        }

        impl $crate::record::Record for $name {
            fn decode_key(
                &mut self,
                decoder: &mut $crate::Decoder<'_>,
                key: &str,
                id: $crate::NodeId,
            ) -> Result<bool, $crate::Fatal> {
                $( $crate::record!(@decode self, decoder, key, id, $field, $mode $($key)?); )*
                let _ = (decoder, key, id);
                Ok(false)
            }

            fn encode_keys(&self, pairs: &mut Vec<(String, $crate::Tree)>) {
                $( $crate::record!(@encode self, pairs, $field, $mode $($key)?); )*
                let _ = pairs;
            }

            fn visit_record_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
                $( $crate::record!(@paths self, visit, $field, $mode); )*
                let _ = visit;
            }

            fn is_zero_record(&self) -> bool {
                true $( && $crate::record!(@zero self, $field, $mode) )*
            }

            fn push_keys(keys: &mut Vec<&'static str>) {
                $( $crate::record!(@keys keys, $ty, $mode $($key)?); )*
                let _ = keys;
            }
        }

        impl $crate::Yaml for $name {
            fn go_type() -> String {
                $outer.to_owned()
            }

            fn zero() -> Self {
                Self { $( $field: $crate::record!(@zero_value $ty, $mode), )* }
            }

            fn decode(
                &mut self,
                decoder: &mut $crate::Decoder<'_>,
                id: $crate::NodeId,
            ) -> Result<(), $crate::Fatal> {
                $crate::record!(@how self, decoder, id, $outer, $how $($inner)?)
            }

            fn encode(&self) -> $crate::Tree {
                let mut pairs = Vec::new();
                $crate::record::Record::encode_keys(self, &mut pairs);
                $crate::Tree::Record(pairs)
            }

            fn is_zero(&self) -> bool {
                $crate::record::Record::is_zero_record(self)
            }

            fn visit_paths(&mut self, visit: &mut dyn FnMut(&mut String)) {
                $crate::record::Record::visit_record_paths(self, visit);
            }
        }
    };

    (@default) => { Default::default() };
    (@default $default:expr) => { $default };

    (@decode $self:ident, $d:ident, $key:ident, $id:ident, $field:ident, skip) => {};
    (@decode $self:ident, $d:ident, $key:ident, $id:ident, $field:ident, inline) => {
        if $crate::record::Record::decode_key(&mut $self.$field, $d, $key, $id)? {
            return Ok(true);
        }
    };
    (@decode $self:ident, $d:ident, $key:ident, $id:ident, $field:ident, $mode:ident $text:literal) => {
        if $key == $text {
            $d.read(&mut $self.$field, $id)?;
            return Ok(true);
        }
    };

    (@encode $self:ident, $pairs:ident, $field:ident, skip) => {};
    (@encode $self:ident, $pairs:ident, $field:ident, inline) => {
        $crate::record::Record::encode_keys(&$self.$field, $pairs);
    };
    (@encode $self:ident, $pairs:ident, $field:ident, keep $text:literal) => {
        $pairs.push(($text.to_owned(), $crate::Yaml::encode(&$self.$field)));
    };
    (@encode $self:ident, $pairs:ident, $field:ident, omit $text:literal) => {
        if !$crate::Yaml::is_zero(&$self.$field) {
            $pairs.push(($text.to_owned(), $crate::Yaml::encode(&$self.$field)));
        }
    };

    (@paths $self:ident, $visit:ident, $field:ident, skip) => {};
    (@paths $self:ident, $visit:ident, $field:ident, inline) => {
        $crate::record::Record::visit_record_paths(&mut $self.$field, $visit);
    };
    (@paths $self:ident, $visit:ident, $field:ident, $mode:ident) => {
        $crate::Yaml::visit_paths(&mut $self.$field, $visit);
    };

    (@zero $self:ident, $field:ident, skip) => { true };
    (@zero $self:ident, $field:ident, inline) => {
        $crate::record::Record::is_zero_record(&$self.$field)
    };
    (@zero $self:ident, $field:ident, $mode:ident) => { $crate::Yaml::is_zero(&$self.$field) };

    (@keys $keys:ident, $ty:ty, skip) => {};
    (@keys $keys:ident, $ty:ty, inline) => {
        <$ty as $crate::record::Record>::push_keys($keys);
    };
    (@keys $keys:ident, $ty:ty, $mode:ident $text:literal) => { $keys.push($text); };

    (@zero_value $ty:ty, skip) => { <$ty as Default>::default() };
    (@zero_value $ty:ty, $mode:ident) => { <$ty as $crate::Yaml>::zero() };

    (@how $self:ident, $d:ident, $id:ident, $outer:literal, open) => {
        $crate::record::decode_record($self, $d, $id, $outer)
    };
    (@how $self:ident, $d:ident, $id:ident, $outer:literal, checked $inner:literal) => {{
        *$self = Self::default();
        let before = $d.issue_count();
        $crate::record::decode_record($self, $d, $id, $inner)?;
        if $d.issue_count() == before {
            $self.check().map_err(|text| $crate::Fatal::from(text).at($d.place($id)))?;
        }
        Ok(())
    }};
}
