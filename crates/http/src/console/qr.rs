//! QR codes: what a phone's camera reads off a page.

use std::fmt::Write as _;

/// A QR code as SVG; nothing where the text does not fit.
pub(crate) fn svg(text: &str) -> String {
    let Ok(code) = qrcode::QrCode::new(text) else { return String::new() };
    let width = code.width();
    let side = width + 8;
    let mut svg = format!(
        r#"<svg class="qr" viewBox="0 0 {side} {side}" role="img" aria-label="Connection details as a QR code" shape-rendering="crispEdges"><path d=""#
    );
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == qrcode::Color::Dark {
            let _ = write!(svg, "M{} {}h1v1h-1z", index % width + 4, index / width + 4);
        }
    }
    svg.push_str(r#""/></svg>"#);
    svg
}
