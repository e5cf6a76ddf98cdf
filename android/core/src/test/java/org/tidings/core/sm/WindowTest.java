package org.tidings.core.sm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.tidings.core.testing.Seeds;

/** XEP-0198's counters against lists, across the wrap at 2^32. */
class WindowTest {
    private static int start(Random random) {
        int[] starts = {-4, 0, Integer.MAX_VALUE - 3, random.nextInt()};
        return starts[random.nextInt(starts.length)];
    }

    @Test
    void hIsTheLongestHandledBeginning() {
        Seeds.check(2000, random -> {
            int start = start(random);
            HandledWindow window = new HandledWindow(start);
            List<int[]> model = new ArrayList<>();
            for (int i = random.nextInt(200); i > 0; i--) {
                if (random.nextInt(5) < 2 || model.isEmpty()) {
                    model.add(new int[] {window.receive(), 0});
                } else {
                    int[] one = model.get(random.nextInt(model.size()));
                    one[1] = 1;
                    window.complete(one[0]);
                }
                int handled = 0;
                while (handled < model.size() && model.get(handled)[1] == 1) {
                    handled++;
                }
                assertEquals(start + handled, window.handled());
                assertEquals(model.size() - handled, window.outstanding());
            }
            for (int i = 0; i < model.size(); i++) {
                assertEquals(start + i + 1, model.get(i)[0]);
            }
        });
    }

    @Test
    void numbersAreTheSameAfterARewind() {
        Seeds.check(500, random -> {
            HandledWindow window = new HandledWindow(start(random));
            int before = random.nextInt(50);
            int done = Math.min(before, random.nextInt(50));
            int[] numbers = new int[before];
            for (int i = 0; i < before; i++) {
                numbers[i] = window.receive();
            }
            for (int i = 0; i < done; i++) {
                window.complete(numbers[i]);
            }
            // Handled out of order, and not part of h: it comes again.
            if (before > done + 1) {
                window.complete(numbers[before - 1]);
            }
            window.rewind();
            for (int i = done; i < before; i++) {
                assertEquals(numbers[i], window.receive());
                window.complete(numbers[i]);
            }
            assertEquals(0, window.outstanding());
        });
    }

    @Test
    void aNumberThatIsNotOutstandingChangesNothing() {
        HandledWindow window = new HandledWindow(0);
        int one = window.receive();
        window.complete(one);
        for (int number : new int[] {one, 0, 2, -1}) {
            window.complete(number);
        }
        assertEquals(1, window.handled());
        assertEquals(0, window.outstanding());
    }

    @Test
    void aWindowIsAListOfUnacknowledgedStanzas() {
        Seeds.check(2000, random -> {
            int acknowledged = start(random);
            AckWindow window = new AckWindow(acknowledged);
            Deque<Integer> model = new ArrayDeque<>();
            for (int i = random.nextInt(100); i > 0; i--) {
                int amount = random.nextInt(12);
                switch (random.nextInt(3)) {
                    case 0:
                        for (int k = 0; k < amount; k++) {
                            int expected = (model.isEmpty() ? acknowledged : model.getLast()) + 1;
                            assertEquals(expected, window.send());
                            model.addLast(expected);
                        }
                        break;
                    case 1:
                        boolean right = amount <= model.size();
                        assertEquals(right ? amount : -1, window.acknowledge(acknowledged + amount));
                        for (int k = 0; right && k < amount; k++) {
                            acknowledged = model.removeFirst();
                        }
                        break;
                    default:
                        assertEquals(-1, window.acknowledge(acknowledged - amount - 1), "an acknowledgement is not taken back");
                }
                assertEquals(model.size(), window.inFlight());
                assertEquals(acknowledged, window.acknowledged());
            }
            assertTrue(window.inFlight() >= 0);
        });
    }
}
