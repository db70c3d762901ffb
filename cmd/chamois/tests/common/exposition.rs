//! Prometheus' text format, read as strictly as its documentation says: what a lenient reader forgives, a strict one
//! refuses with the whole page.

use std::collections::{BTreeMap, BTreeSet};

/// One family with its samples in the page's order.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// All families by name.
#[derive(Debug)]
pub(crate) struct Page(pub(crate) BTreeMap<String, Family>);

impl Page {
    /// The value of the one sample of `family` that has these labels.
    pub(crate) fn value(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(family, family, labels)
    }

    /// How many observations a histogram has.
    pub(crate) fn count(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(family, &format!("{family}_count"), labels)
    }

    fn find(&self, family: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
        let known = self.0.get(family).unwrap_or_else(|| panic!("no family {family}"));
        let wanted = |sample: &&Sample| {
            let has = |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|have| have == value);
            sample.name == name && labels.iter().all(has)
        };
        let found: Vec<&Sample> = known.samples.iter().filter(wanted).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {known:?}");
        found[0].value
    }
}

/// Parses a page, or says what is wrong with it and where.
pub(crate) fn parse(text: &str) -> Result<Page, String> {
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut current, mut helped): (Option<String>, Option<String>) = (None, None);
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |problem: &str| format!("line {number}: {problem}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if help.is_empty() || families.contains_key(name) {
                return Err(wrong("a family without help, or in two pieces"));
            }
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            if helped.take().as_deref() != Some(name) {
                return Err(wrong("a type without its help before it"));
            }
            check_name(name, kind).map_err(|problem| wrong(&problem))?;
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
            current = Some(name.to_owned());
        } else {
            let sample = sample(line).map_err(|problem| wrong(&problem))?;
            let family = current.as_ref().ok_or_else(|| wrong("no family before it"))?;
            let known = families.get_mut(family).ok_or_else(|| wrong("no such family"))?;
            let belongs = match known.kind.as_str() {
                "histogram" => {
                    ["_bucket", "_sum", "_count"].contains(&sample.name.strip_prefix(family).unwrap_or(""))
                }
                _ => sample.name == *family,
            };
            if !belongs || helped.is_some() {
                return Err(wrong("a sample of another family"));
            }
            known.samples.push(sample);
        }
    }
    for (name, family) in &families {
        check_family(family).map_err(|problem| format!("{name}: {problem}"))?;
    }
    Ok(Page(families))
}

/// Prometheus' conventions for names: counters end in `_total`, and nothing else does.
fn check_name(name: &str, kind: &str) -> Result<(), String> {
    let valid = |at: usize, c: char| c.is_ascii_alphabetic() || c == '_' || (at > 0 && c.is_ascii_digit());
    if name.is_empty() || !name.chars().enumerate().all(|(at, c)| valid(at, c)) {
        return Err("not a metric's name".to_owned());
    }
    match kind {
        "counter" if name.ends_with("_total") => Ok(()),
        "gauge" | "histogram" if !name.ends_with("_total") => Ok(()),
        "counter" | "gauge" | "histogram" => Err("the name does not fit the type".to_owned()),
        _ => Err("not a type".to_owned()),
    }
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = value.strip_prefix(' ').ok_or("no blank before the value")?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        _ if value.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            value.parse().map_err(|_| format!("{value} is no number"))?
        }
        _ => return Err(format!("{value} is no number")),
    };
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("{name:?} is no label's name"));
        }
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().ok_or("a value without an end")? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, escaped @ ('\\' | '"'))) => escaped,
                    _ => return Err("an unknown escape".to_owned()),
                }),
                (_, c) => value.push(c),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} twice"));
        }
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((labels, rest.strip_prefix('}').ok_or("no end of the labels")?)),
        }
    }
}

/// No series twice; buckets rise and end with all observations.
fn check_family(family: &Family) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        if !seen.insert((&sample.name, &sample.labels)) {
            return Err(format!("{sample:?} twice"));
        }
        if family.kind != "gauge" && !(sample.value >= 0.0 && sample.value.is_finite()) {
            return Err(format!("{sample:?} cannot be a count"));
        }
    }
    if family.kind != "histogram" {
        return Ok(());
    }
    let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in family
        .samples
        .iter()
        .filter(|sample| sample.name.ends_with("_bucket"))
    {
        let mut labels = sample.labels.clone();
        let bound = match labels.remove("le").ok_or("a bucket without `le`")?.as_str() {
            "+Inf" => f64::INFINITY,
            bound => bound.parse().map_err(|_| format!("le={bound}"))?,
        };
        series.entry(labels).or_default().push((bound, sample.value));
    }
    for (labels, buckets) in &series {
        let rises = buckets
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let of = |suffix: &str| {
            let mut samples = family.samples.iter();
            samples.find(|sample| sample.name.ends_with(suffix) && sample.labels == *labels)
        };
        let last = buckets.last().copied();
        let whole = of("_count").map(|count| (f64::INFINITY, count.value)) == last && of("_sum").is_some();
        if !rises || !whole {
            return Err(format!(
                "{labels:?}: the buckets do not rise to the count: {buckets:?}"
            ));
        }
    }
    Ok(())
}
