//! Energy sources as they are written on the command line.

use gridbook_engine::EnergySources;

/// One source.
pub(in crate::cli) fn parse_source(text: &str) -> Result<EnergySources, String> {
    let sources = parse_sources(text)?;
    if sources.bits().is_power_of_two() { Ok(sources) } else { Err(format!("{text:?} is more than one source")) }
}

pub(super) fn parse_sources(text: &str) -> Result<EnergySources, String> {
    let source = |name: &str| EnergySources::NAMES.iter().find(|(_, known)| *known == name).map(|(source, _)| *source);
    let bits = text.split('+').map(|name| source(name.trim()).ok_or(name));
    let bits = bits.map(|source| source.map(EnergySources::bits)).try_fold(0, |all, bits| Ok(all | bits?));
    bits.and_then(|bits| EnergySources::from_bits(bits).ok_or(text)).map_err(|name: &str| {
        let known: Vec<&str> = EnergySources::NAMES.iter().map(|(_, name)| *name).collect();
        format!("{name:?} is not an energy source: there are {}, joined by + as in solar+wind", known.join(", "))
    })
}
