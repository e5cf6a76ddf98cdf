package org.tidings.demo;

import android.view.MotionEvent;
import android.view.VelocityTracker;
import android.view.View;
import android.view.ViewConfiguration;
import android.widget.ListView;
import java.util.function.IntConsumer;

/** Lets a row of a list be thrown out to either side. */
final class SwipeToDelete implements View.OnTouchListener {
    private static final long DURATION = 150;

    private final ListView list;
    private final IntConsumer deleted;
    private final int slop;
    private final int fling;
    private float startX;
    private float startY;
    private View row;
    private int position;
    private boolean swiping;
    private VelocityTracker velocity;

    /** @param deleted what is called with the row's position when it is out */
    SwipeToDelete(ListView list, IntConsumer deleted) {
        this.list = list;
        this.deleted = deleted;
        ViewConfiguration configuration = ViewConfiguration.get(list.getContext());
        slop = configuration.getScaledTouchSlop();
        fling = configuration.getScaledMinimumFlingVelocity() * 8;
    }

    @Override
    public boolean onTouch(View view, MotionEvent event) {
        switch (event.getActionMasked()) {
            case MotionEvent.ACTION_DOWN:
                down(event);
                return false;
            case MotionEvent.ACTION_MOVE:
                return move(event);
            case MotionEvent.ACTION_UP:
                boolean was = swiping;
                if (was) {
                    release(event);
                }
                forget();
                return was;
            case MotionEvent.ACTION_CANCEL:
                if (swiping) {
                    row.animate().translationX(0).setDuration(DURATION);
                }
                forget();
                return false;
            default:
                return swiping;
        }
    }

    private void down(MotionEvent event) {
        startX = event.getX();
        startY = event.getY();
        position = list.pointToPosition((int) startX, (int) startY);
        View child = position < 0 ? null : list.getChildAt(position - list.getFirstVisiblePosition());
        row = child == null ? null : child.findViewById(R.id.row_content);
        velocity = VelocityTracker.obtain();
        velocity.addMovement(event);
    }

    private boolean move(MotionEvent event) {
        if (row == null) {
            return false;
        }
        velocity.addMovement(event);
        float x = event.getX() - startX;
        if (!swiping && Math.abs(x) > slop && Math.abs(x) > 2 * Math.abs(event.getY() - startY)) {
            swiping = true;
            list.requestDisallowInterceptTouchEvent(true);
            // The list would take the end of this for a click, or hold the row pressed.
            MotionEvent cancel = MotionEvent.obtain(event);
            cancel.setAction(MotionEvent.ACTION_CANCEL);
            list.onTouchEvent(cancel);
            cancel.recycle();
        }
        if (swiping) {
            row.setTranslationX(x);
        }
        return swiping;
    }

    private void release(MotionEvent event) {
        float x = event.getX() - startX;
        velocity.computeCurrentVelocity(1_000);
        float speed = velocity.getXVelocity();
        boolean out = Math.abs(x) > row.getWidth() / 3f || Math.abs(speed) > fling && Math.signum(speed) == Math.signum(x);
        View moved = row;
        int at = position;
        if (out) {
            moved.animate().translationX(Math.signum(x) * moved.getWidth()).setDuration(DURATION).withEndAction(() -> {
                moved.setTranslationX(0);
                deleted.accept(at);
            });
        } else {
            moved.animate().translationX(0).setDuration(DURATION);
        }
    }

    private void forget() {
        swiping = false;
        row = null;
        if (velocity != null) {
            velocity.recycle();
            velocity = null;
        }
    }
}
