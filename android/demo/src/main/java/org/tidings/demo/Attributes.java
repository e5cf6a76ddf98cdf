package org.tidings.demo;

import android.content.Context;
import android.util.TypedValue;

/** Reads from the theme what code has to set itself. */
final class Attributes {
    private Attributes() {}

    static int resource(Context context, int attribute) {
        TypedValue value = new TypedValue();
        context.getTheme().resolveAttribute(attribute, value, true);
        return value.resourceId;
    }
}
