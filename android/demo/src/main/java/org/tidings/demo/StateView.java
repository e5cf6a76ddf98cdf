package org.tidings.demo;

import android.content.Context;
import android.content.res.ColorStateList;
import android.widget.ImageView;
import org.tidings.client.ConnectionStatus;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;

/** Colours the dot before a state: good, on the way, or in need of something. */
final class StateView {
    private StateView() {}

    static void colour(ImageView dot, ConnectionStatus status) {
        dot.setImageTintList(ColorStateList.valueOf(colour(dot.getContext(), status)));
    }

    private static int colour(Context context, ConnectionStatus status) {
        if (status.isOnline()) {
            return context.getColor(R.color.good);
        }
        if (needsPerson(status)) {
            return context.getColor(R.color.bad);
        }
        switch (status.state()) {
            case STOPPED:
            case OFFLINE:
                return context.getColor(R.color.muted);
            default:
                return context.getColor(R.color.warn);
        }
    }

    /** Whether nothing changes until somebody does something. */
    static boolean needsPerson(ConnectionStatus status) {
        return !status.isOnline() && status.trouble() != null && status.trouble().needsPerson();
    }

    /** What the last trouble adds to the state, or null. */
    static String trouble(Context context, ConnectionStatus status) {
        return status.trouble() == Trouble.NO_NETWORK && status.state() == Status.State.OFFLINE ? null : status.troubleText(context);
    }
}
