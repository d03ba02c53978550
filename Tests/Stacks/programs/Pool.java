import java.util.concurrent.ArrayBlockingQueue;

public class Pool {
    static final ArrayBlockingQueue<Integer> items = new ArrayBlockingQueue<>(1);

    static int checkout() throws InterruptedException { return items.take(); }

    public static void main(String[] words) throws Exception {
        new Thread(() -> { try { checkout(); } catch (InterruptedException e) { } }).start();
        System.in.read();
        checkout();
    }
}
