//! stub
#[derive(Debug, Clone, Default)]
pub struct Template;
#[derive(Debug)]
pub struct Order<'a> {
    pub wish: crate::core::appointment::WishKind,
    pub control_id: &'a str,
    pub now: crate::clock::Timestamp,
}
pub fn build(
    _o: &Order<'_>,
    _t: &Template,
    m: &crate::hl7::Message,
) -> Result<String, std::fmt::Error> {
    Ok(m.text().to_owned())
}
