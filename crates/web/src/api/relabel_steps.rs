//! `targets/relabel_steps`: what each rule of a pool makes of a label set.

use model::LabelsBuilder;
use model::relabel::{RelabelConfig, process_builder};

use super::target_list::{unknown_pool, wanted_pool};
use super::{ApiError, ApiResult, Call, Remarks};
use crate::json;

/// The rules one after the other. Those behind one that drops the labels are listed, with no labels.
pub(super) fn steps(call: &Call, out: &mut Vec<u8>) -> ApiResult {
    let pool = wanted_pool(call)?;
    let labels = call.form.value("labels");
    if labels.is_empty() {
        return Err(ApiError::bad_data("no labels parameter provided"));
    }
    let labels = gocompat::json::string_map(labels)
        .map_err(|err| ApiError::bad_data(format!("error parsing labels: {err}")))?;
    let rules = call.backend.targets.relabel_configs(pool);
    let rules = rules.ok_or_else(|| unknown_pool(pool))?;

    let mut builder = LabelsBuilder::new();
    for (name, value) in &labels {
        builder.set(name, value);
    }
    let mut keep = true;
    let mut object = json::Object::open(out);
    json::array(object.key("steps"), &rules, |out, rule| {
        keep = keep && process_builder(&mut builder, std::slice::from_ref(rule));
        if !keep {
            builder = LabelsBuilder::new();
        }
        let mut object = json::Object::open(out);
        write_rule(object.key("rule"), rule);
        json::labels(object.key("output"), &builder.labels());
        object.boolean("keep", keep);
        object.close();
    });
    object.close();
    Ok(Remarks::default())
}

/// A rule under the names of its configuration, with defaults; lists and numbers that say nothing and the
/// target label are left out.
fn write_rule(out: &mut Vec<u8>, rule: &RelabelConfig) {
    let mut object = json::Object::open(out);
    let source_labels = rule.source_labels.as_deref().unwrap_or_default();
    if !source_labels.is_empty() {
        json::strings(object.key("source_labels"), source_labels);
    }
    object
        .string("separator", &rule.separator)
        .string("regex", rule.regex.as_str());
    if rule.modulus != 0 {
        let modulus = object.key("modulus");
        modulus.extend_from_slice(rule.modulus.to_string().as_bytes());
    }
    if !rule.target_label.is_empty() {
        object.string("target_label", &rule.target_label);
    }
    object
        .string("replacement", &rule.replacement)
        .string("action", rule.action.as_str());
    object.close();
}
