package org.tidings.client;

import android.app.job.JobInfo;
import android.app.job.JobParameters;
import android.app.job.JobScheduler;
import android.app.job.JobService;
import android.content.ComponentName;
import android.content.Context;

/** Looks every quarter of an hour whether the connection is still kept: some phones end what they should not. */
public final class Watchdog extends JobService {
    static final int JOB = 0x71d16;
    private static final long PERIOD_MS = 15 * 60_000;

    static void schedule(Context context) {
        JobScheduler scheduler = context.getSystemService(JobScheduler.class);
        if (scheduler.getPendingJob(JOB) == null) {
            scheduler.schedule(new JobInfo.Builder(JOB, new ComponentName(context, Watchdog.class)).setPeriodic(PERIOD_MS)
                    .setPersisted(true).build());
        }
    }

    static void cancel(Context context) {
        context.getSystemService(JobScheduler.class).cancel(JOB);
    }

    @Override
    public boolean onStartJob(JobParameters parameters) {
        Tidings.of(this).runner().check(() -> jobFinished(parameters, false));
        return true;
    }

    @Override
    public boolean onStopJob(JobParameters parameters) {
        return false;
    }
}
