//! The look: colours, type and measures, in one place.

use std::sync::Arc;

use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke, TextStyle,
    Theme, Vec2, Visuals,
};

/// Behind everything.
pub(crate) const BACKGROUND: Color32 = Color32::from_rgb(0x0d, 0x10, 0x15);
/// Side panel, bars.
pub(crate) const PANEL: Color32 = Color32::from_rgb(0x14, 0x18, 0x1f);
/// Buttons, rails, wells that rise from a panel.
pub(crate) const RAISED: Color32 = Color32::from_rgb(0x20, 0x27, 0x31);
/// The same under the pointer.
pub(crate) const HOVERED: Color32 = Color32::from_rgb(0x2b, 0x34, 0x41);
/// Wells that sink into a panel: text areas, rails.
pub(crate) const SUNKEN: Color32 = Color32::from_rgb(0x09, 0x0c, 0x10);
/// Hairlines between parts.
pub(crate) const LINE: Color32 = Color32::from_rgb(0x27, 0x2f, 0x3a);
/// What is read first.
pub(crate) const TEXT: Color32 = Color32::from_rgb(0xe8, 0xed, 0xf3);
/// What is read second: labels, units, notes.
pub(crate) const DIM: Color32 = Color32::from_rgb(0x9a, 0xa7, 0xb6);
/// What can be acted upon or is chosen.
pub(crate) const ACCENT: Color32 = Color32::from_rgb(0x63, 0xc1, 0xf0);
/// Behind what is chosen.
pub(crate) const CHOSEN: Color32 = Color32::from_rgb(0x1d, 0x48, 0x60);
/// Lines over what is only a copy of something else.
pub(crate) const HATCH: Color32 = Color32::from_rgb(0x6a, 0x76, 0x86);
/// Levels that are well.
pub(crate) const GOOD: Color32 = Color32::from_rgb(0x4f, 0xc0, 0x8d);
/// What wants attention.
pub(crate) const WARN: Color32 = Color32::from_rgb(0xf0, 0xb6, 0x4a);
/// Behind warnings.
pub(crate) const WARN_FILL: Color32 = Color32::from_rgb(0x33, 0x29, 0x14);
/// What went wrong.
pub(crate) const ERROR: Color32 = Color32::from_rgb(0xff, 0x80, 0x75);
/// Behind errors.
pub(crate) const ERROR_FILL: Color32 = Color32::from_rgb(0x3a, 0x1b, 0x1b);

/// Side of the smallest thing to click, in points.
pub(crate) const HIT: f32 = 22.0;
/// Distance between a panel's edge and what it holds.
pub(crate) const PAD: f32 = 12.0;
/// Rounding of buttons and wells.
pub(crate) const ROUND: u8 = 4;

const SEMI_BOLD: &str = "semi-bold";

/// Type for reading.
pub(crate) fn regular(size: f32) -> FontId {
    FontId::proportional(size)
}

/// Type for headings and numbers that matter.
pub(crate) fn bold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(SEMI_BOLD.into()))
}

/// A colour made transparent; 255 is opaque.
pub(crate) fn with_alpha(c: Color32, alpha: u8) -> Color32 {
    Color32::from_rgba_unmultiplied(c.r(), c.g(), c.b(), alpha)
}

/// Relative luminance of a colour, 0 … 1, as WCAG defines it.
#[cfg(test)]
pub(crate) fn luminance(c: Color32) -> f32 {
    let linear = |v: u8| {
        let v = f32::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
}

/// Gives a context the fonts and colours of Spherescope. Best called once before the first frame; the fonts are there from the
/// frame after the call on.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts(FontFamily::Name(SEMI_BOLD.into())));
    ctx.set_theme(Theme::Dark);
    ctx.all_styles_mut(style);
}

/// Whether [`install`] has taken effect. To be asked within a frame.
pub(crate) fn installed(ctx: &Context) -> bool {
    ctx.fonts(|f| f.definitions().families.contains_key(&FontFamily::Name(SEMI_BOLD.into())))
}

/// Inter has Latin, Greek and Cyrillic; Hack stands in for the signs that it lacks, and for fixed widths.
fn fonts(semi_bold: FontFamily) -> FontDefinitions {
    const FILES: [(&str, &[u8]); 3] = [
        ("Inter", include_bytes!("../assets/fonts/Inter-Regular.ttf")),
        ("Inter semi-bold", include_bytes!("../assets/fonts/Inter-SemiBold.ttf")),
        ("Hack", epaint_default_fonts::HACK_REGULAR),
    ];
    let [regular, bold, fixed] = FILES.map(|(name, _)| name);
    let mut fonts = FontDefinitions::empty();
    for (name, bytes) in FILES {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(bytes)));
    }
    for (family, names) in [
        (FontFamily::Proportional, [regular, fixed]),
        (semi_bold, [bold, fixed]),
        (FontFamily::Monospace, [fixed, regular]),
    ] {
        fonts.families.insert(family, names.map(Into::into).into());
    }
    fonts
}

fn style(style: &mut egui::Style) {
    style.text_styles = [
        (TextStyle::Small, regular(11.5)),
        (TextStyle::Body, regular(13.0)),
        (TextStyle::Button, regular(13.0)),
        (TextStyle::Heading, bold(13.0)),
        (TextStyle::Monospace, FontId::monospace(11.5)),
    ]
    .into();
    style.animation_time = 0.08;
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(8.0, 6.0);
    spacing.button_padding = Vec2::new(8.0, 3.0);
    spacing.interact_size = Vec2::new(HIT, HIT);
    spacing.menu_margin = Margin::same(6);
    spacing.scroll.bar_width = 6.0;
    spacing.scroll.floating = true;
    let v = &mut style.visuals;
    *v = Visuals::dark();
    v.panel_fill = PANEL;
    v.window_fill = PANEL;
    v.extreme_bg_color = SUNKEN;
    v.faint_bg_color = RAISED;
    v.window_stroke = Stroke::new(1.0, LINE);
    v.menu_corner_radius = CornerRadius::same(6);
    v.popup_shadow = Shadow { offset: [0, 6], blur: 18, spread: 0, color: Color32::from_black_alpha(140) };
    v.warn_fg_color = WARN;
    v.error_fg_color = ERROR;
    v.hyperlink_color = ACCENT;
    v.weak_text_color = Some(DIM);
    v.selection.bg_fill = CHOSEN;
    v.selection.stroke = Stroke::new(1.0, ACCENT);
    let w = &mut v.widgets;
    for (visuals, fill, text) in [
        (&mut w.noninteractive, PANEL, TEXT),
        (&mut w.inactive, RAISED, TEXT),
        (&mut w.hovered, HOVERED, TEXT),
        (&mut w.active, CHOSEN, TEXT),
        (&mut w.open, HOVERED, TEXT),
    ] {
        visuals.bg_fill = fill;
        visuals.weak_bg_fill = fill;
        visuals.fg_stroke = Stroke::new(1.0, text);
        visuals.bg_stroke = Stroke::NONE;
        visuals.corner_radius = CornerRadius::same(ROUND);
        visuals.expansion = 0.0;
    }
    w.noninteractive.bg_stroke = Stroke::new(1.0, LINE);
    for visuals in [&mut w.hovered, &mut w.active, &mut w.open] {
        visuals.bg_stroke = Stroke::new(1.0, with_alpha(ACCENT, 120));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_legible_by_wcag_aa() {
        for (text, behind) in [
            (TEXT, BACKGROUND),
            (TEXT, PANEL),
            (TEXT, RAISED),
            (TEXT, HOVERED),
            (TEXT, CHOSEN),
            (DIM, BACKGROUND),
            (DIM, PANEL),
            (DIM, RAISED),
            (DIM, SUNKEN),
            (ACCENT, PANEL),
            (ACCENT, CHOSEN),
            (GOOD, PANEL),
            (WARN, PANEL),
            (WARN, WARN_FILL),
            (TEXT, WARN_FILL),
            (ERROR, PANEL),
            (TEXT, ERROR_FILL),
        ] {
            let (a, b) = (luminance(text) + 0.05, luminance(behind) + 0.05);
            assert!(a.max(b) / a.min(b) >= 4.5, "{text:?} on {behind:?}: {}", a.max(b) / a.min(b));
        }
    }

    #[test]
    fn every_sign_of_the_editor_and_names_in_greek_and_cyrillic_have_a_glyph() {
        let context = Context::default();
        install(&context);
        let mut output = context.run_ui(egui::RawInput::default(), |_| ());
        output.textures_delta.clear();
        let signs = "°…−×–∞”“÷·²±≤√→•ρπ³ Größe Étalon αβγΩ Привет";
        for font in [regular(13.0), FontId::new(13.0, FontFamily::Name(SEMI_BOLD.into())), FontId::monospace(11.5)] {
            for sign in signs.chars() {
                assert!(context.fonts_mut(|f| f.has_glyph(&font, sign)), "{font:?} {sign}");
            }
            assert!(!context.fonts_mut(|f| f.has_glyph(&font, '\u{4e2d}')), "found what no font has");
        }
    }
}
