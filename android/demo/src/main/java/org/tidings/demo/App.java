package org.tidings.demo;

import android.app.Application;
import org.tidings.client.Tidings;

/** The process: starts the library, whichever part of the app is wanted first. */
public final class App extends Application {
    @Override
    public void onCreate() {
        super.onCreate();
        Tidings.start(this);
    }
}
