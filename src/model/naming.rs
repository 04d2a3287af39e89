//! Which guest a name means.
//!
//! People write `[STACK/]NAME`, where NAME is a logical id, a `Name` tag or an instance id. Exact spelling wins; when
//! nothing is spelled so, letters' case is ignored. A name that fits several guests is refused with the candidates, an
//! unknown one with the nearest names.

use super::World;

/// The names of one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestName {
    /// Stack that declares it.
    pub stack: Option<String>,
    /// Logical id in that stack.
    pub logical_id: Option<String>,
    /// Its `Name` tag.
    pub name_tag: Option<String>,
    /// `i-…`; `cgw-…` of a guest on premises; `internet`.
    pub instance_id: String,
    /// How the lab calls it, unique in the lab.
    pub shown: String,
}

/// The guest that stands for everybody on the internet, and the view of its resolver.
pub const INTERNET: &str = "internet";

/// Whether a lab has a guest `internet`: an internet gateway is attached to a VPC.
pub fn has_internet(world: &World) -> bool {
    world.internet_gateways.values().any(|gateway| gateway.vpc_id.is_some())
}

/// All guests of a lab, in the order of their shown names: instances, customer gateways, and the internet.
pub fn guests(world: &World) -> Vec<GuestName> {
    let on_premises =
        world.customer_gateways.values().filter(|gateway| world.is_connected(gateway)).map(|gateway| GuestName {
            stack: gateway.meta.stack.clone(),
            logical_id: gateway.meta.logical_id.clone(),
            name_tag: gateway.meta.tags.get("Name").cloned().filter(|tag| !tag.is_empty()),
            instance_id: gateway.customer_gateway_id.clone(),
            shown: String::new(),
        });
    let internet = has_internet(world).then(|| GuestName {
        stack: None,
        logical_id: Some(INTERNET.to_owned()),
        name_tag: None,
        instance_id: INTERNET.to_owned(),
        shown: String::new(),
    });
    let mut guests: Vec<GuestName> = world
        .instances
        .values()
        .map(|instance| GuestName {
            stack: instance.meta.stack.clone(),
            logical_id: instance.meta.logical_id.clone(),
            name_tag: instance.meta.tags.get("Name").cloned().filter(|tag| !tag.is_empty()),
            instance_id: instance.instance_id.clone(),
            shown: String::new(),
        })
        .chain(on_premises)
        .chain(internet)
        .collect();
    let shown: Vec<String> = guests.iter().map(|guest| shown_name(guest, &guests)).collect();
    for (guest, shown) in guests.iter_mut().zip(shown) {
        guest.shown = shown;
    }
    guests.sort_by(|a, b| a.shown.cmp(&b.shown));
    guests
}

/// The shortest of `NAME`, `STACK/NAME` and the instance id that no other guest has.
fn shown_name(guest: &GuestName, all: &[GuestName]) -> String {
    let short = |guest: &GuestName| guest.logical_id.clone().or_else(|| guest.name_tag.clone());
    let long = |guest: &GuestName| Some(format!("{}/{}", guest.stack.as_deref()?, short(guest)?));
    let unique = |name: &dyn Fn(&GuestName) -> Option<String>| {
        let mine = name(guest)?;
        let others = all.iter().filter(|other| other.instance_id != guest.instance_id);
        others.map(name).all(|theirs| theirs.as_ref() != Some(&mine)).then_some(mine)
    };
    unique(&short).or_else(|| unique(&long)).unwrap_or_else(|| guest.instance_id.clone())
}

/// The guest that `text` means, or what is wrong with it.
pub fn find<'a>(guests: &'a [GuestName], text: &str) -> Result<&'a GuestName, String> {
    let exact: Vec<&GuestName> = guests.iter().filter(|guest| names_it(guest, text, false)).collect();
    let found =
        if exact.is_empty() { guests.iter().filter(|guest| names_it(guest, text, true)).collect() } else { exact };
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(unknown(guests, text)),
        several => {
            let candidates: Vec<String> = several
                .iter()
                .map(|guest| match &guest.stack {
                    Some(stack) => format!(
                        "{stack}/{} ({})",
                        guest.logical_id.as_deref().unwrap_or(&guest.shown),
                        guest.instance_id
                    ),
                    None => guest.instance_id.clone(),
                })
                .collect();
            Err(format!("`{text}` could be any of {}: say which", candidates.join(", ")))
        }
    }
}

fn names_it(guest: &GuestName, text: &str, any_case: bool) -> bool {
    let same = |a: &str, b: &str| if any_case { a.eq_ignore_ascii_case(b) } else { a == b };
    let named = |name: &str| {
        same(&guest.instance_id, name)
            || guest.logical_id.as_deref().is_some_and(|id| same(id, name))
            || guest.name_tag.as_deref().is_some_and(|tag| same(tag, name))
    };
    let in_stack = text
        .split_once('/')
        .is_some_and(|(stack, name)| guest.stack.as_deref().is_some_and(|own| same(own, stack)) && named(name));
    named(text) || in_stack
}

fn unknown(guests: &[GuestName], text: &str) -> String {
    if guests.is_empty() {
        return format!("there is no guest `{text}`: this lab has no instances");
    }
    let wanted = text.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = guests
        .iter()
        .map(|guest| {
            let names = [Some(&guest.shown), guest.logical_id.as_ref(), guest.name_tag.as_ref()];
            let distance = names.into_iter().flatten().map(|name| distance(&wanted, &name.to_ascii_lowercase())).min();
            (distance.unwrap_or(usize::MAX), guest.shown.as_str())
        })
        .collect();
    near.sort();
    let close: Vec<&str> =
        near.iter().filter(|(far, _)| *far <= 2.max(text.len() / 3)).map(|(_, name)| *name).take(3).collect();
    if close.is_empty() {
        let all: Vec<&str> = guests.iter().map(|guest| guest.shown.as_str()).take(20).collect();
        return format!("there is no guest `{text}`; guests: {}", all.join(", "));
    }
    format!("there is no guest `{text}`; did you mean {}?", close.join(" or "))
}

/// Levenshtein's distance: how many letters to change, add or leave out.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let change = corner + usize::from(letter != *other);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(stack: &str, logical_id: &str, tag: Option<&str>, instance_id: &str) -> GuestName {
        GuestName {
            stack: Some(stack.into()),
            logical_id: Some(logical_id.into()),
            name_tag: tag.map(Into::into),
            instance_id: instance_id.into(),
            shown: format!("{stack}/{logical_id}"),
        }
    }

    fn two_stacks() -> Vec<GuestName> {
        vec![
            guest("provider", "App", Some("orders-backend"), "i-0a"),
            guest("consumer", "App", None, "i-0b"),
            guest("consumer", "Worker", None, "i-0c"),
        ]
    }

    #[test]
    fn each_kind_of_name_finds_its_guest() {
        let guests = two_stacks();
        let id = |text: &str| find(&guests, text).map(|guest| guest.instance_id.clone());
        for (text, instance_id) in [
            ("provider/App", "i-0a"),
            ("orders-backend", "i-0a"),
            ("provider/orders-backend", "i-0a"),
            ("i-0b", "i-0b"),
            ("consumer/i-0b", "i-0b"),
            ("Worker", "i-0c"),
            ("worker", "i-0c"),
        ] {
            assert_eq!(id(text).as_deref(), Ok(instance_id), "{text}");
        }
    }

    #[test]
    fn exact_spelling_wins_over_case() {
        let guests = vec![guest("s", "app", None, "i-0a"), guest("s", "App", None, "i-0b")];
        assert_eq!(find(&guests, "App").unwrap().instance_id, "i-0b");
        assert!(find(&guests, "APP").is_err());
    }

    #[test]
    fn ambiguous_names_list_the_candidates() {
        let error = find(&two_stacks(), "App").unwrap_err();
        assert!(error.contains("provider/App (i-0a)") && error.contains("consumer/App (i-0b)"), "{error}");
    }

    #[test]
    fn unknown_names_offer_the_nearest() {
        let error = find(&two_stacks(), "Wroker").unwrap_err();
        assert!(error.ends_with("did you mean consumer/Worker?"), "{error}");
        let error = find(&two_stacks(), "database").unwrap_err();
        assert!(error.contains("guests: "), "{error}");
        assert!(find(&[], "x").unwrap_err().contains("no instances"));
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("app", "app", 0), ("app", "aps", 1), ("kitten", "sitting", 3), ("", "abc", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
